"""XRD-CT: from the frames of a scan to a volume of patterns."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Plan
from aureole.errors import SpecError
from aureole.io.grids import GridAxis, write_images, write_nxtomoproc
from aureole.io.series import Frames
from aureole.mapping.images import ImageRequest
from aureole.mapping.scan import Scan, ScanAxis
from aureole.mapping.scan_file import ScanFile, check_ending, identity, radial_axis, stored_rows
from aureole.mapping.slices import Slices
from aureole.mapping.tomogram import ran_backwards
from aureole.mapping.tomography import TomographyRequest, check
from aureole.runs.described import described
from aureole.runs.report import RunOptions, RunReport, check_output
from aureole.runs.run import Run
from aureole.tomo.centre import check_angles

F32 = NDArray[np.float32]

_DOUBTFUL = 1.0
"""Steps by which the methods that find the rotation axis may differ without a word."""
_UNEVEN = 0.5
"""Of a step, by which another may be longer or shorter."""
_LARGEST_ANGLE = 1e9
"""In degrees, either way; beyond it the angle within a turn is lost to rounding."""
_IN_ORDER = (0, 2, 1, 3)
"""A sinogram is stored (z, translation, rotation, q), and scans are (z, rotation, translation)."""


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
    ImageRequest(peaks=request.direct).check(radial_axis(plan).values)
    twice = set(request.direct) & {*request.images.regions, *request.images.peaks, "phases"}
    if twice:
        raise SpecError(f"two images of the name {', '.join(sorted(twice))}")
    scan = _with_layers(scan)
    check(request.corrections, request.reconstruction, (scan.index.shape[1], scan.index.shape[2]))
    if request.corrections.backlash and not any(ran_backwards(layer).any() for layer in scan.index):
        raise SpecError("no line of translations ran backwards, so there is no backlash to put right")
    if request.reconstruction.center is None:
        turned = np.radians(scan.axes[1].values)
        check_angles(turned, half_acquisition=request.reconstruction.half_acquisition)
    check_output(output, frames.sources, overwrite=True)
    run = Run(
        plan,
        frames,
        output,
        options,
        product=identity(scan, **request.describe(), transmitted=described(request.transmission)),
        stored=partial(stored_rows, output, "sinogram", _IN_ORDER),
    )
    return run.carry_out(partial(_write, plan, scan, run, request, options))


def _with_layers(scan: Scan) -> Scan:
    """Return a scan that has layers, be it one; refuse what is no tomographic scan.

    Raises
    ------
    SpecError
        Its axes are others, it has too few places or uneven steps, or was turned impossibly far.
    """
    names = [axis.name for axis in scan.axes]
    if names[-2:] != ["rotation", "translation"] or names[:-2] not in ([], ["z"]):
        raise SpecError(f"a tomographic scan has rotation and translation, not {', '.join(names)}")
    angles, translations = scan.index.shape[-2:]
    if angles < 2 or translations < 2:
        raise SpecError(f"{angles} angles and {translations} translations make no tomogram")
    largest = float(np.abs(scan.axes[-2].values).max())
    if largest > _LARGEST_ANGLE:
        raise SpecError(f"rotation: {largest:g}° is no angle of a sample")
    _check_steps(scan.axes[-1].values)
    if names[0] == "z":
        return scan
    one = ScanAxis("z", np.zeros(1), scan.axes[-1].unit)
    return Scan((one, *scan.axes), scan.index[None], scan.frames, notes=scan.notes)


def _check_steps(places: NDArray[np.float64]) -> None:
    """Refuse translations that are not evenly spread: rays are reconstructed as if they were."""
    steps = np.diff(places)
    usual = np.median(steps)
    wrong = np.flatnonzero(np.abs(steps - usual) > _UNEVEN * abs(usual))
    if wrong.size:
        at = wrong[0]
        raise SpecError(
            f"translation: the step from {places[at]:g} to {places[at + 1]:g} is not the usual one of "
            f"{usual:g}, and a tomogram needs even steps: a position may be wrong, or places may be missing"
        )


def _write(plan: Plan, scan: Scan, run: Run, request: TomographyRequest, options: RunOptions) -> None:
    heights, rotation, translation = scan.axes
    axes = [GridAxis(axis.name, axis.values, axis.unit) for axis in (heights, translation, rotation)]
    with closing(run.parts()) as parts, ScanFile(plan, scan, run, options, "diffraction tomogram") as file:
        file.create("sinogram", axes, sigma=file.sigma, long_name="intensity, as measured")
        slices = Slices(file, scan, request, options.threads)
        for layer, intensity, sigma in file.layers(parts):
            file.write_measured("sinogram", layer, *map(_by_translation, (intensity, sigma)))
            slices.take(layer, intensity, sigma)
        file.point_at("sinogram", scan.index.swapaxes(1, 2))
        try:
            run.notes += slices.finish()
        except SpecError as error:
            raise SpecError(f"{error}{_bad_ones(run)}") from None
        with file.pending.writing() as hdf5:
            slices.write_account(hdf5["entry"], str(run.manifest.sources[0].path))
            for name, maps in slices.stacked().items():
                data = write_images(hdf5["entry"], name, slices.axes, maps)
                write_nxtomoproc(hdf5, name, data)


def _bad_ones(run: Run) -> str:
    """Return in words which frames could not be used, for they may be why there is no tomogram."""
    issues = run.report(0.0).issues
    if not issues:
        return ""
    return (
        f" ({len(issues)} of {len(run.status)} frames are bad or missing, such as {issues[0].name}: "
        f"{issues[0].reason})"
    )


def _by_translation(values: NDArray[np.float32] | None) -> Any:
    """Put translations before rotations, as sinograms are stored."""
    return None if values is None else values.swapaxes(0, 1)
