"""XRD-CT: from the frames of a scan to a volume of patterns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Plan
from aureole.errors import SpecError
from aureole.io.grids import GridAxis, write_images, write_nxtomoproc, write_parameters
from aureole.io.series import Frames
from aureole.mapping.direct import DIRECT, direct_peaks
from aureole.mapping.images import ImageRequest, Images
from aureole.mapping.patterns import Estimate, Window
from aureole.mapping.scan import Scan, ScanAxis
from aureole.mapping.scan_file import ScanFile, check_ending, identity, radial_axis, stored_rows
from aureole.mapping.tomogram import Corrections, Reconstruction, check, prepare, tomogram
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TomographyRequest:
    """What is made of the sinograms.

    Attributes
    ----------
    corrections : Corrections
    reconstruction : Reconstruction
    images : ImageRequest
        Images of the volume.
    direct : mapping of str to (float, float)
        Radial ranges, by name, in which the one peak of each voxel is fitted directly against the sinograms.
    transmission : ndarray of float64, shape (frames,), or callable, optional
        That of each frame, or what returns it; called when frames are there.
    transmission_name : str, optional
        Where it comes from.
    """

    corrections: Corrections
    reconstruction: Reconstruction
    images: ImageRequest
    direct: Mapping[str, Window] = field(default_factory=dict)
    transmission: NDArray[np.float64] | Callable[[], NDArray[np.float64]] | None = None
    transmission_name: str | None = None

    def describe(self) -> dict[str, object]:
        """Return it as JSON."""
        return {
            "corrections": asdict(self.corrections),
            "reconstruction": asdict(self.reconstruction),
            "images": self.images.describe(),
            "direct": dict(self.direct),
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
    ImageRequest(peaks=request.direct).check(radial_axis(plan).values)
    twice = set(request.direct) & {*request.images.regions, *request.images.peaks, "phases"}
    if twice:
        raise SpecError(f"two images of the name {', '.join(sorted(twice))}")
    scan = _with_layers(scan)
    check(request.corrections, request.reconstruction, (scan.index.shape[1], scan.index.shape[2]))
    if request.corrections.backlash and not any(any(_ran_backwards(lines)) for lines in scan.index):
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
        slices = _Slices(file, scan, request, options.threads)
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


class _Account(NamedTuple):
    """What is known of a slice besides its patterns, which are too many to be kept: see `Tomogram`."""

    center: float
    spread: float
    shifts: NDArray[np.float64]
    kept: NDArray[np.bool_]


def _bad_ones(run: Run) -> str:
    """Return in words which frames could not be used, for they may be why there is no tomogram."""
    issues = run.report(0.0).issues
    if not issues:
        return ""
    return (
        f" ({len(issues)} of {len(run.status)} frames are bad or missing, such as {issues[0].name}: "
        f"{issues[0].reason})"
    )


class _Slices:
    """Takes layers of patterns in any order, and writes the volume."""

    def __init__(self, file: ScanFile, scan: Scan, request: TomographyRequest, threads: int | None) -> None:
        self._file, self._scan, self._request, self._threads = file, scan, request, threads
        self._transmission: NDArray[np.float64] | None = None
        self._made: dict[int, _Account] = {}
        self._images: dict[int, Images] = {}
        self._failed: dict[int, str] = {}
        self._notes: list[str] = []
        self._errors = False
        self.axes: tuple[GridAxis, ...] = ()

    def take(self, layer: int, intensity: F32, sigma: F32 | None) -> None:
        """Reconstruct a layer; one that cannot be does not stop the others."""
        request, wanted = self._request, self._request.corrections
        if wanted.backlash:
            wanted = replace(wanted, backward=_ran_backwards(self._scan.index[layer]))
        try:
            prepared = prepare(
                intensity,
                sigma,
                self._scan.axes[1].values,
                transmission=self._transmitted(layer),
                corrections=wanted,
                reconstruction=request.reconstruction,
                size=self._size(),
            )
            found = tomogram(prepared, request.reconstruction, threads=self._threads)
        except SpecError as error:
            self._failed[layer] = str(error)
            return
        if not self._made:
            z, translation = self._scan.axes[0], self._scan.axes[-1]
            self.axes = (GridAxis(z.name, z.values, z.unit), *_places(translation, len(found.intensity)))
            self._errors = found.sigma is not None
            self._file.create("data", self.axes, sigma=self._errors, long_name="intensity per step")
        self._put(layer, found.intensity, found.sigma)
        for name, window in request.direct.items():
            try:
                self._images[layer][name] = direct_peaks(
                    prepared, found, self._file.radial.values, window, threads=self._threads
                )
            except SpecError as error:
                self._notes.append(f"{self._of(layer)}{name} is empty, since {error}")
                self._images[layer][name] = _nothing(found.intensity.shape[:2])
        self._made[layer] = _Account(found.center, found.spread, found.shifts, found.kept)

    def finish(self) -> list[str]:
        """Fill the layers that could not be reconstructed, and return what the user should know.

        Raises
        ------
        SpecError
            Not one could be.
        """
        if not self._made:
            raise SpecError(next(iter(self._failed.values())))
        size, first = len(self.axes[1].values), next(iter(self._made.values()))
        for layer in self._failed:
            nothing = np.full((size, size, len(self._file.radial.values)), np.nan, np.float32)
            self._put(layer, nothing, nothing if self._errors else None)
            self._images[layer] |= {name: _nothing((size, size)) for name in self._request.direct}
            unknown = np.full(len(first.shifts), np.nan)
            self._made[layer] = _Account(np.nan, np.nan, unknown, np.zeros_like(first.kept))
        return self._notes + [note for layer in sorted(self._made) for note in self._doubts(layer)]

    def stacked(self) -> dict[str, dict[str, Estimate]]:
        """Return the images of all layers, upon each other."""
        each = [self._images[layer] for layer in sorted(self._images)]
        return {
            name: {
                what: Estimate(
                    *(np.stack(parts) for parts in zip(*(one[name][what] for one in each), strict=True))
                )
                for what in maps
            }
            for name, maps in each[0].items()
        }

    def write_account(self, entry: h5py.Group, raw_file: str) -> None:
        """Write how slices were made of sinograms."""
        made = [self._made[layer] for layer in sorted(self._made)]
        found: dict[str, object] = {
            "raw_file": raw_file,
            "rotation_center": np.array([each.center for each in made]),
            "rotation_center_spread": np.array([each.spread for each in made]),
            "shifts": np.stack([each.shifts for each in made]),
            "angles_used": np.stack([each.kept for each in made]),
        }
        found |= {key: json.dumps(value) for key, value in self._request.describe().items()}
        write_parameters(entry, "reconstruction", found)

    def _put(self, layer: int, intensity: F32, sigma: F32 | None) -> None:
        self._file.write("data", layer, intensity, sigma)
        self._images[layer] = self._request.images.make(
            self._file.radial.values, intensity, sigma, threads=self._threads
        )

    def _transmitted(self, layer: int) -> NDArray[np.float64] | None:
        given = self._request.transmission
        if given is None:
            return None
        if self._transmission is None:
            # -1, no frame, is the NaN at the end
            known = given() if callable(given) else given
            self._transmission = np.append(known, np.nan)[self._scan.index]
        found: NDArray[np.float64] = self._transmission[layer]
        return found

    def _size(self) -> int | None:
        """Return the edge of all slices, where that of the first to be made must not decide on it."""
        how, shape = self._request.reconstruction, self._scan.index.shape
        return 2 * shape[2] - 1 if how.half_acquisition and how.center is None and shape[0] > 1 else None

    def _of(self, layer: int) -> str:
        return f"layer {layer}: " if len(self._scan.axes[0].values) > 1 else ""

    def _doubts(self, layer: int) -> list[str]:
        found = self._made[layer]
        of_layer = self._of(layer)
        if layer in self._failed:
            return [f"{of_layer}not reconstructed, since {self._failed[layer]}"]
        notes = []
        if found.spread > _DOUBTFUL:
            notes.append(
                f"{of_layer}rotation center {found.center:.2f}, and the methods that find it are "
                f"{found.spread:.1f} steps apart: check it and the order of --shape, or give --center"
            )
        left_out = int(np.count_nonzero(~found.kept))
        if left_out:
            notes.append(f"{of_layer}{left_out} of {len(found.kept)} angles lack frames and are left out")
        return notes


def _nothing(shape: tuple[int, ...]) -> dict[str, Estimate]:
    """Return images of a peak that could not be fitted."""
    return dict.fromkeys(DIRECT, Estimate(np.full(shape, np.nan), np.full(shape, np.nan)))


def _ran_backwards(index: NDArray[np.intp]) -> tuple[bool, ...]:
    """Return for each angle whether translations were visited from the last to the first."""
    lines = [line[line >= 0] for line in index]
    return tuple(bool(len(line) > 1 and line[-1] < line[0]) for line in lines)


def _by_translation(values: NDArray[np.float32] | None) -> Any:
    """Put translations before rotations, as sinograms are stored."""
    return None if values is None else values.swapaxes(0, 1)


def _places(translation: ScanAxis, size: int) -> tuple[GridAxis, GridAxis]:
    """Return y and x of the pixels of a slice, whose middle is the rotation axis."""
    step = float(np.median(np.abs(np.diff(translation.values))))
    values = (np.arange(size) - (size - 1) / 2) * step
    return GridAxis("y", values, translation.unit), GridAxis("x", values, translation.unit)
