"""Whole scans as files: what a beamline's storage would hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal.batches import in_order
from aureole.errors import OutputError, SpecError
from aureole.geometry import format_poni
from aureole.io.cbf_write import format_cbf
from aureole.simulate.files import INVALID_EIGER, eiger_chunks, pilatus_header, write_eiger_files
from aureole.simulate.powder import Exposure, Powder, heat_at
from aureole.threads import checked_threads

_EIGER_KEV = 35.0


@dataclass(frozen=True, slots=True)
class ScanFiles:
    """Where a scan is: the folder of its CBF files, or its HDF5 master; and its PONI file."""

    frames: Path
    poni: Path


def write_scan(
    directory: str | Path,
    n_frames: int = 200,
    *,
    detector: str = "Pilatus 2M CdTe",
    counts: float = 1000.0,
    seed: int = 0,
    distinct: int | None = None,
    threads: int | None = None,
) -> ScanFiles:
    """Write a scan of a powder that is heated and cools down again, as a Pilatus would: see `Powder`.

    Each distinct frame is rendered with noise of its own; the beam decays by 2 % between refills, which the
    header's ``Flux`` (relative) follows.

    Parameters
    ----------
    directory : path
        Made if need be; gets ``frames/frame_00000.cbf``... and ``scan.poni``.
    n_frames : int
        Number of files.
    detector, counts, seed
        See `Powder`.
    distinct : int, optional
        Number of different frames, all of them without it. Beyond these, files are hard links to them in
        turn: the heating and cooling repeats, noise included.
    threads : int, optional
        How many simulate, all available cores without it; the frames do not depend on it.

    Returns
    -------
    ScanFiles

    Raises
    ------
    OutputError
        There are frames already, or the folder cannot be written to.
    SpecError, GeometryError
        No frames are wanted, or as for `Powder`.
    """
    different = _number_of_distinct(n_frames, distinct)
    exposure = Exposure(Powder(detector=detector, counts=counts, seed=seed))
    scan = ScanFiles(Path(directory) / "frames", Path(directory) / "scan.poni")
    _make_folder(scan.frames)
    paths = [scan.frames / f"frame_{index:05d}.cbf" for index in range(different)]

    def write(index: int) -> None:
        flux = _flux(index)
        image = exposure.frame(index, heat_at(index, different), flux)
        header = pilatus_header(exposure.geometry, index, {"Flux": f"{flux:.6f}"})
        data = format_cbf(image, header, name=paths[index].stem)
        paths[index].write_bytes(data)

    try:
        scan.poni.write_text(format_poni(exposure.geometry), encoding="utf-8")
        for _ in in_order(write, range(different), checked_threads(threads)):
            pass
    except OSError as error:
        raise OutputError(f"{scan.frames}: cannot be written ({error.strerror})") from None
    hard_link_series(paths, scan.frames, n_frames, first=different)
    return scan


def hard_link_series(
    files: Sequence[Path], directory: str | Path, count: int, *, first: int = 0
) -> list[Path]:
    """Give files more names: a long series on few files, which stays in the page cache.

    Parameters
    ----------
    files : sequence of Path
        They take turns, so that neighbours in the series are different files.
    directory : path
        Where the names go, on the same file system; made if need be.
    count : int
        Length of the series.
    first : int
        Names below this number are there already.

    Returns
    -------
    list of Path
        The new ones: ``frame_00000`` and so on, with the ending of the files.

    Raises
    ------
    OutputError
        A name exists already, or the file system cannot link.
    """
    folder = Path(directory)
    links = [folder / f"frame_{i:05d}{files[i % len(files)].suffix}" for i in range(first, count)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for i, link in enumerate(links, first):
            link.hardlink_to(files[i % len(files)])
    except OSError as error:
        raise OutputError(f"{folder}: cannot be linked into ({error.strerror})") from None
    return links


def write_eiger_scan(
    directory: str | Path,
    n_frames: int = 100,
    *,
    detector: str = "Eiger 4M",
    counts: float = 30.0,
    seed: int = 0,
    distinct: int | None = None,
    threads: int | None = None,
) -> ScanFiles:
    """Write the same scan as an Eiger would: a master file that links to files of 1000 frames.

    Frames are uint32, one to a chunk, compressed with bitshuffle and LZ4 (HDF5 filter 32008); gaps and dead
    pixels have all bits set.

    Parameters
    ----------
    directory : path
        Made if need be; gets ``scan_master.h5``, ``scan_data_000001.h5``... and ``scan.poni``.
    n_frames, detector, counts, seed, threads
        As for `write_scan`.
    distinct : int, optional
        Number of different frames, all of them without it. They repeat in turn, each time stored anew.

    Returns
    -------
    ScanFiles
        `frames` is the master.

    Raises
    ------
    OutputError
        There is a scan already, or the folder cannot be written to.
    SpecError, GeometryError
        No frames are wanted, or as for `Powder`.
    """
    different = _number_of_distinct(n_frames, distinct)
    exposure = Exposure(Powder(detector=detector, energy_kev=_EIGER_KEV, counts=counts, seed=seed))
    folder = Path(directory)
    scan = ScanFiles(folder / "scan_master.h5", folder / "scan.poni")

    def render(index: int) -> NDArray[np.uint32]:
        image = exposure.frame(index, heat_at(index, different), _flux(index)).astype(np.uint32)
        image[exposure.invalid] = INVALID_EIGER
        return image

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if scan.frames.exists():
            raise OutputError(f"{scan.frames}: exists already; choose another folder")
        scan.poni.write_text(format_poni(exposure.geometry), encoding="utf-8")
        images = in_order(render, range(different), checked_threads(threads))
        chunks = list(eiger_chunks(images, exposure.geometry.shape))
        repeated = (chunks[index % different] for index in range(n_frames))
        write_eiger_files(folder, exposure.geometry, repeated, n_frames)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error})") from None
    return scan


def _flux(index: int) -> float:
    """Return the relative intensity of the beam: it decays by 2 % within 50 frames and is refilled."""
    return 1.01 - 0.02 * (index % 50) / 50


def _number_of_distinct(n_frames: int, distinct: int | None) -> int:
    if n_frames < 1:
        raise SpecError(f"a scan has at least one frame, not {n_frames}")
    if distinct is not None and distinct < 1:
        raise SpecError(f"a scan has at least one distinct frame, not {distinct}")
    return n_frames if distinct is None else min(distinct, n_frames)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise OutputError(f"{folder}: holds files already; choose another folder")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from None
