"""XRD-CT: from the frames of a scan to a volume of patterns."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Plan
from aureole.errors import SpecError
from aureole.io.grids import GridAxis, write_images, write_nxtomoproc, write_parameters
from aureole.io.series import Frames
from aureole.mapping.images import ImageRequest, Images
from aureole.mapping.patterns import Estimate
from aureole.mapping.scan import Scan, ScanAxis
from aureole.mapping.scan_file import ScanFile, check_ending, identity, radial_axis, stored_rows
from aureole.mapping.tomogram import Corrections, Reconstruction, Tomogram, tomogram
from aureole.runs.report import RunOptions, RunReport, check_output
from aureole.runs.run import Run

_DOUBTFUL = 1.0
"""Steps by which the methods that find the rotation axis may differ without a word."""
_IN_ORDER = (0, 2, 1, 3)
"""A sinogram is stored (z, translation, rotation, q), and scans are (z, rotation, translation)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TomographyRequest:
    """What is made of the sinograms.

    Attributes
    ----------
    corrections : Corrections
    reconstruction : Reconstruction
    images : ImageRequest
        Images of the volume.
    transmission : callable, optional
        Returns that of each frame, shape (frames,); called when frames are there.
    transmission_name : str, optional
        Where it comes from.
    """

    corrections: Corrections
    reconstruction: Reconstruction
    images: ImageRequest
    transmission: Callable[[], NDArray[np.float64]] | None = None
    transmission_name: str | None = None

    def describe(self) -> dict[str, object]:
        """Return it as JSON."""
        return {
            "corrections": asdict(self.corrections),
            "reconstruction": asdict(self.reconstruction),
            "images": self.images.describe(),
            "transmission": self.transmission_name,
        }


def xrdct_series(
    plan: Plan,
    frames: Frames,
    scan: Scan,
    output: str | Path,
    *,
    request: TomographyRequest,
    options: RunOptions,
) -> RunReport:
    """Integrate the frames of a tomographic scan, reconstruct every channel, and write one file.

    It holds the sinograms as measured, (z, translation, rotation, q), the volume of patterns (z, y, x, q),
    images of that, and how all came about. The run survives being killed as that of `integrate_series` does.

    Parameters
    ----------
    plan : Plan
        Of patterns.
    frames : Frames
    scan : Scan
        With the axes "rotation" (in degrees) and "translation", and "z" before them if there are layers.
    output : path
        NeXus HDF5 by its ending.
    request : TomographyRequest
    options : RunOptions

    Raises
    ------
    SpecError
        The plan, the scan or the request do not go with each other; what `aureole.tomo` refuses.
    OutputError
        As for `integrate_series`.
    """
    output = Path(output)
    check_ending(output)
    request.images.check(radial_axis(plan).values)
    check_output(output, frames.sources, overwrite=True)
    scan = _with_layers(scan)
    run = Run(
        plan,
        frames,
        output,
        options,
        product=identity(scan, **request.describe()),
        stored=partial(stored_rows, output, scan, "sinogram", _IN_ORDER),
    )
    return run.carry_out(partial(_write, plan, scan, run, request, options))


def _with_layers(scan: Scan) -> Scan:
    """Return a scan that has layers, be it one; refuse what is no tomographic scan.

    Raises
    ------
    SpecError
        Its axes are others, or it has too few places.
    """
    names = [axis.name for axis in scan.axes]
    if names[-2:] != ["rotation", "translation"] or names[:-2] not in ([], ["z"]):
        raise SpecError(f"a tomographic scan has rotation and translation, not {', '.join(names)}")
    angles, translations = scan.index.shape[-2:]
    if angles < 2 or translations < 2:
        raise SpecError(f"{angles} angles and {translations} translations make no tomogram")
    if names[0] == "z":
        return scan
    one = ScanAxis("z", np.zeros(1), scan.axes[-1].unit)
    return Scan((one, *scan.axes), scan.index[None], scan.frames, notes=scan.notes)


def _write(plan: Plan, scan: Scan, run: Run, request: TomographyRequest, options: RunOptions) -> None:
    heights, rotation, translation = scan.axes
    z, j, i = (GridAxis(axis.name, axis.values, axis.unit) for axis in (heights, translation, rotation))
    layers: dict[int, Tomogram] = {}
    images: dict[int, Images] = {}
    with closing(run.parts()) as parts, ScanFile(plan, scan, run, options, "diffraction tomogram") as file:
        file.create("sinogram", (z, j, i), sigma=file.sigma, long_name="intensity, as measured")
        transmission = None
        for layer, intensity, sigma in file.layers(parts):
            file.write("sinogram", layer, *map(_by_translation, (intensity, sigma)))
            if request.transmission is not None and transmission is None:
                every = np.append(request.transmission(), np.nan)
                transmission = every[scan.index]  # -1, no frame, is the NaN at the end
            found = tomogram(
                intensity,
                sigma,
                rotation.values,
                transmission=None if transmission is None else transmission[layer],
                corrections=request.corrections,
                reconstruction=request.reconstruction,
                size=next((len(made.intensity) for made in layers.values()), None),
                threads=options.threads,
            )
            if not layers:
                y, x = _places(translation, len(found.intensity))
                file.create("data", (z, y, x), sigma=found.sigma is not None, long_name="intensity per step")
            file.write("data", layer, found.intensity, found.sigma)
            images[layer] = request.images.make(
                file.radial.values, found.intensity, found.sigma, threads=options.threads
            )
            layers[layer] = found._replace(intensity=found.intensity[..., :0], sigma=None)
            run.notes += _doubts(layer, found, scan)
        with file.pending.writing() as hdf5:
            _write_account(hdf5["entry"], layers, request)
            for name in next(iter(images.values())):
                maps = _stacked([images[layer][name] for layer in sorted(images)])
                data = write_images(hdf5["entry"], name, (z, y, x), maps)
                write_nxtomoproc(hdf5, name, data)


def _by_translation(values: NDArray[np.float32] | None) -> Any:
    """Put translations before rotations, as sinograms are stored."""
    return None if values is None else values.swapaxes(0, 1)


def _stacked(layers: list[dict[str, Estimate]]) -> dict[str, Estimate]:
    """Put images of all layers upon each other."""
    return {
        what: Estimate(
            np.stack([layer[what].value for layer in layers]),
            np.stack([layer[what].sigma for layer in layers]),
        )
        for what in layers[0]
    }


def _places(translation: ScanAxis, size: int) -> tuple[GridAxis, GridAxis]:
    """Return y and x of the pixels of a slice, whose middle is the rotation axis."""
    step = float(np.median(np.abs(np.diff(translation.values))))
    values = (np.arange(size) - (size - 1) / 2) * step
    return GridAxis("y", values, translation.unit), GridAxis("x", values, translation.unit)


def _doubts(layer: int, found: Tomogram, scan: Scan) -> list[str]:
    """Return what the user should know of how a layer was reconstructed."""
    of_layer = f"layer {layer}: " if len(scan.axes[0].values) > 1 else ""
    notes = []
    if found.spread > _DOUBTFUL:
        notes.append(
            f"{of_layer}rotation center {found.center:.2f}, and the methods that find it are "
            f"{found.spread:.1f} steps apart: check it, or give --center"
        )
    left_out = int(np.count_nonzero(~found.kept))
    if left_out:
        notes.append(f"{of_layer}{left_out} of {len(found.kept)} angles lack frames and are left out")
    return notes


def _write_account(entry: h5py.Group, layers: dict[int, Tomogram], request: TomographyRequest) -> None:
    """Write how slices were made of sinograms."""
    made = [layers[layer] for layer in sorted(layers)]
    found = {
        "rotation_center": np.array([each.center for each in made]),
        "rotation_center_spread": np.array([each.spread for each in made]),
        "shifts": np.stack([each.shifts for each in made]),
        "angles_used": np.stack([each.kept for each in made]),
    }
    process = write_parameters(entry, "reconstruction", found)
    for key, value in request.describe().items():
        process[f"parameters/{key}"] = json.dumps(value)
