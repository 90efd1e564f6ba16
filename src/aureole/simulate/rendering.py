"""Rendering a scan, and releasing it at the pace of a detector."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal.batches import in_order
from aureole.errors import OutputError, SpecError
from aureole.geometry import format_poni
from aureole.io.cbf_write import format_cbf
from aureole.io.publish import publication
from aureole.simulate.experiment import Experiment
from aureole.simulate.files import INVALID_EIGER, eiger_chunks, pilatus_header, write_eiger_files
from aureole.simulate.truth import scan_table, write_truth
from aureole.threads import checked_threads

Format = Literal["cbf", "eiger"]
Progress = Callable[[int, int], None]
Item = TypeVar("Item")

_TABLES = ("scan.poni", "scan.csv", "truth.h5")
_SLOWEST = 1e-6
"""Frames per second: one in twelve days."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A scan that is drawn and has not appeared yet, but for its tables.

    Attributes
    ----------
    directory : Path
        Where the scan goes. ``scan.poni``, ``scan.csv`` and ``truth.h5`` are there.
    files : tuple of Path
        The files of the frames in the order in which they will appear; for an Eiger the master comes last.
    hidden : Path
        The folder in which these files are until then, under the same names.
    tables : tuple of Path
        What is there already, those three and ``references/``.
    """

    directory: Path
    files: tuple[Path, ...]
    hidden: Path
    tables: tuple[Path, ...]

    @property
    def frames(self) -> Path:
        """What to open: the folder of the CBF files, or the HDF5 master."""
        last = self.files[-1]
        return last if last.suffix == ".h5" else last.parent

    def discard(self) -> None:
        """Remove all of the scan, also what has been released."""
        shutil.rmtree(self.hidden, ignore_errors=True)
        _remove((*self.files, *self.tables))


@dataclass(frozen=True, slots=True)
class Released:
    """How a release went.

    Attributes
    ----------
    files : int
        How many appeared.
    seconds : float
        From the first to the last.
    latest : float
        By how many seconds the latest one was behind its time.
    """

    files: int
    seconds: float
    latest: float

    @property
    def rate(self) -> float:
        """Files per second."""
        return (self.files - 1) / self.seconds if self.files > 1 and self.seconds > 0.0 else float("inf")


def render(
    experiment: Experiment,
    directory: str | Path,
    *,
    form: Format = "cbf",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Rendered:
    """Draw all frames of a scan into a hidden folder, and write its tables.

    ``scan.poni``, ``scan.csv``, ``truth.h5`` and ``references/`` (a CBF file of each phase, and of air: see
    `Experiment.references`) are there when this returns; the frames appear on `release`.
    Whatever goes wrong until then, nothing of the scan remains.

    Parameters
    ----------
    experiment : Experiment
    directory : path
        Made if need be. The frames will be ``frames/scan_00000.cbf``... or ``scan_master.h5`` and its
        ``scan_data_000001.h5``...
    form : {"cbf", "eiger"}
        Which detector's files to write.
    threads : int, optional
        How many draw, all available cores without it; the frames do not depend on it.
    progress : callable, optional
        Told of the number of frames drawn, and of all.

    Raises
    ------
    OutputError
        There is a scan already, or the folder cannot be written to.
    """
    folder = Path(directory)
    workers = checked_threads(threads)
    placed: list[Path] = []
    try:
        _refuse_a_scan(folder)
        there = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        hidden = Path(mkdtemp(prefix=".rendering-", dir=folder))
        try:
            (hidden / "scan.poni").write_text(format_poni(experiment.geometry), encoding="utf-8")
            (hidden / "scan.csv").write_text(scan_table(experiment), encoding="utf-8")
            write_truth(hidden / "truth.h5", experiment)
            draw = _draw_cbf if form == "cbf" else _draw_eiger
            files = draw(experiment, hidden, workers, progress)
            for path in (*(hidden / name for name in _TABLES), *_draw_references(experiment, hidden)):
                target = folder / path.relative_to(hidden)
                target.parent.mkdir(exist_ok=True)
                with publication(target) as temporary:
                    path.replace(temporary)
                placed.append(target)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            _remove(placed)
            if not there:
                with suppress(OSError):
                    folder.rmdir()
            raise
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from None
    frames = tuple(folder / path.relative_to(hidden) for path in files)
    return Rendered(folder, frames, hidden, tuple(placed))


def release(
    rendered: Rendered,
    rate: float | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    progress: Progress | None = None,
) -> Released:
    """Let the files of a scan appear, whole and in their order.

    File i is due i / rate seconds after the first. One that is late does not delay those after it.

    Parameters
    ----------
    rendered : Rendered
        It can be released once.
    rate : float, optional
        Files per second; as fast as can be without it.
    clock, sleep : callable
        What tells the time and lets it pass, in seconds.
    progress : callable, optional
        Told of the number of files released, and of all.

    Raises
    ------
    SpecError
        As `check_rate`.
    OutputError
        The files cannot be renamed.
    """
    check_rate(rate)
    start, latest = clock(), 0.0
    try:
        rendered.files[0].parent.mkdir(exist_ok=True)
        for index, path in enumerate(rendered.files):
            if rate is not None:
                ahead = start + index / rate - clock()
                if ahead > 0.0:
                    sleep(ahead)
                else:
                    latest = max(latest, -ahead)
            (rendered.hidden / path.relative_to(rendered.directory)).rename(path)
            if progress is not None:
                progress(index + 1, len(rendered.files))
        seconds = clock() - start
        shutil.rmtree(rendered.hidden)
    except OSError as error:
        raise OutputError(f"{rendered.directory}: cannot be written ({error.strerror or error})") from None
    return Released(len(rendered.files), seconds, latest)


def check_rate(rate: float | None) -> None:
    """Raise `SpecError` if frames per second are not positive, or so few that nobody would wait for one."""
    if rate is not None and not _SLOWEST <= rate < float("inf"):
        raise SpecError(
            f"frames are released at a positive rate of {_SLOWEST:g} or more per second, not {rate:g}"
        )


def _refuse_a_scan(folder: Path) -> None:
    there = [folder / name for name in (*_TABLES, "scan_master.h5") if (folder / name).exists()]
    for path in (folder / "frames", folder / "references"):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            there.append(path)
    if there:
        raise OutputError(f"{there[0]}: is there already; choose another folder")


def _remove(files: Iterable[Path]) -> None:
    """Remove files, and the folders that are empty then."""
    for path in files:
        path.unlink(missing_ok=True)
        if path.parent.name in ("frames", "references"):
            with suppress(OSError):
                path.parent.rmdir()


def _draw_references(experiment: Experiment, hidden: Path) -> list[Path]:
    folder = hidden / "references"
    folder.mkdir()
    paths = []
    for name, image, facts in experiment.references():
        paths.append(folder / f"{name}.cbf")
        paths[-1].write_bytes(format_cbf(image, pilatus_header(experiment.geometry, 0, facts), name=name))
    return paths


def _draw_cbf(experiment: Experiment, hidden: Path, threads: int, progress: Progress | None) -> list[Path]:
    digits = max(5, len(str(len(experiment) - 1)))
    (hidden / "frames").mkdir()
    paths = [hidden / "frames" / f"scan_{index:0{digits}d}.cbf" for index in range(len(experiment))]

    def draw(index: int) -> None:
        header = pilatus_header(experiment.geometry, index, experiment.header(index))
        data = format_cbf(experiment.frame(index), header, name=paths[index].stem)
        paths[index].write_bytes(data)

    # closed on the way out of an exception: nobody draws any more when the folder is removed
    with closing(in_order(draw, range(len(paths)), threads)) as drawn:
        for _ in _counted(drawn, len(paths), progress):
            pass
    return paths


def _draw_eiger(experiment: Experiment, hidden: Path, threads: int, progress: Progress | None) -> list[Path]:
    def draw(index: int) -> NDArray[np.uint32]:
        image = experiment.frame(index).astype(np.uint32)
        image[experiment.screen.invalid] = INVALID_EIGER
        return image

    count = len(experiment)
    with closing(in_order(draw, range(count), threads)) as drawn:
        chunks = eiger_chunks(_counted(drawn, count, progress), experiment.geometry.shape)
        return write_eiger_files(hidden, experiment.geometry, chunks, count)


def _counted(items: Iterable[Item], total: int, progress: Progress | None) -> Iterator[Item]:
    if progress is not None:
        progress(0, total)
    for done, item in enumerate(items, 1):
        yield item
        if progress is not None:
            progress(done, total)
