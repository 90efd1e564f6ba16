"""What ``aureole info`` tells of patterns, maps and tomograms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import degrees
from typing import TYPE_CHECKING, Any

import numpy as np

from aureole.azimuthal import IntegrationSpec
from aureole.azimuthal.corrections import pixels
from aureole.cli.tell_geometry import Lines, detector_lines, geometry_lines, moving_lines, share
from aureole.errors import FormatError, InputError
from aureole.geometry import Sensor
from aureole.io.results import read_result
from aureole.io.scan_results import StoredReconstruction, StoredScan, read_scan_result
from aureole.io.status import FrameStatus

if TYPE_CHECKING:
    from aureole.io.stored import StoredAxis, StoredPositions, StoredRun

_TOLD = 12
"""How many bad frames are listed."""


def result_lines(name: str) -> Lines:
    """Yield what a result of 'aureole integrate' is.

    Raises
    ------
    FormatError
        It cannot be read.
    """
    with read_result(name) as result:
        yield _frames(result) if result.positions is None else _together(result.positions)
        yield "holds", f"{'cakes' if result.is_cake else 'patterns'} ({result.facts['definition']})"
        yield "shape", " x ".join(map(str, result.shape))
        for kind, axis in (("radial", result.radial), ("azimuthal", result.azimuthal)):
            if axis is not None:
                yield kind, _bins(axis)
        yield from _reduction(result)


def scan_lines(name: str) -> Lines:
    """Yield what a map or a tomogram is.

    Raises
    ------
    FormatError
        It cannot be read.
    """
    with read_scan_result(name) as scan:
        yield _frames(scan)
        axes = ", ".join(axis.name for axis in scan.patterns.axes)
        shape = " x ".join(map(str, scan.patterns.shape))
        yield "shape", f"{shape} ({axes}), {_bins(scan.patterns.radial)}"
        yield from _places(scan)
        empty = int(np.count_nonzero(scan.frame < 0))
        yield "places", f"{scan.frame.size}" + (f", {empty} of them without a frame" if empty else "")
        yield from (("note", line) for line in scan.notes)
        if scan.reconstruction is not None:
            yield from _reconstruction(scan.reconstruction)
        yield from _images(scan)
        yield from _reduction(scan)


def _places(scan: StoredScan) -> Lines:
    for axis in (*(scan.sinogram.axes[1:] if scan.sinogram else ()), *scan.patterns.axes):
        if axis.name == "point":
            continue
        units = f" {axis.units}" if axis.units else ""
        yield axis.name, f"{axis.values[0]:.6g} to {axis.values[-1]:.6g}{units}, {axis.values.size} places"
    if scan.points is not None:
        for name, column in zip(("y", "x"), scan.points.T, strict=True):
            yield name, f"{np.nanmin(column):.6g} to {np.nanmax(column):.6g}, scattered"


def _reconstruction(made: StoredReconstruction) -> Lines:
    options = [f"{key} {value}" for key, value in made.method.items() if _says(value) and key != "method"]
    yield "method", ", ".join([str(made.method.get("method")), *options])
    corrections = [
        key.replace("_", " ") + ("" if value is True else f" {value}")
        for key, value in made.corrections.items()
        if _says(value)
    ]
    if made.transmission is not None:
        corrections.insert(0, f"transmission {made.transmission}")
    yield "sinograms", ", ".join(corrections) or "as measured"
    for layer in range(min(len(made.center), _TOLD)):
        key = "rotation center" if layer == 0 else ""
        of_layer = f"layer {layer}: " if len(made.center) > 1 else ""
        if not np.isfinite(made.center[layer]):
            yield key, f"{of_layer}not reconstructed"
            continue
        agreed = f", methods within {made.spread[layer]:.2g}" if made.spread[layer] > 0.0 else ""
        used = int(np.count_nonzero(made.angles_used[layer]))
        angles = f"{used} of {made.angles_used.shape[1]} angles used"
        moved = float(np.abs(made.shifts[layer]).max(initial=0.0))
        shifts = f", projections moved by up to {moved:.2g} steps" if moved > 0.0 else ""
        yield key, f"{of_layer}{made.center[layer]:.3f} steps{agreed}; {angles}{shifts}"
    if len(made.center) > _TOLD:
        yield "", f"and {len(made.center) - _TOLD} more layers"


def _says(value: object) -> bool:
    """Whether the value of an option is worth a word."""
    return value not in (None, False, 0, 0.0, [], "")


def _images(scan: StoredScan) -> Lines:
    for name, group in scan.images.items():
        for place, quantity in enumerate(group.quantities):
            values, _ = group.read(quantity)
            finite = values[np.isfinite(values)]
            reach = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "no values"
            gaps = f", {values.size - finite.size} places without" if 0 < finite.size < values.size else ""
            yield (f"image {name}" if place == 0 else ""), f"{quantity}: {reach}{gaps}"


def _frames(result: StoredRun) -> tuple[str, str]:
    total, done = len(result.status), result.count(FrameStatus.DONE)
    parts = [f"{result.count(status)} {status.name.lower()}" for status in FrameStatus if status]
    return "frames", f"{total}: {done} done" + ("" if done == total else f", {', '.join(parts)}")


def _together(positions: StoredPositions) -> tuple[str, str]:
    left_out = len(positions.left_out)
    return "positions", f"{positions.count} of the detector" + f", {left_out} left out" * (left_out > 0)


def _bins(axis: StoredAxis) -> str:
    return f"{axis.centres.size} bins of {axis.unit}, centres {axis.centres[0]:.6g} to {axis.centres[-1]:.6g}"


def _reduction(result: StoredRun) -> Lines:
    """Yield how frames became patterns, and which did not."""
    try:
        asked = IntegrationSpec.from_json(result.spec_json, result.read_arrays())
        geometry = asked.geometry.with_shape(asked.shape or ())
        known = pixels(asked, geometry)
    except InputError as error:
        raise FormatError(f"{result.path}: its spec cannot be used: {error}") from None
    # The text of a spec may leave out what has a default.
    spec = json.loads(asked.to_json())
    for kind in ("radial", "azimuthal"):
        yield f"{kind} range", _range(spec[kind])
    yield "errors", spec["error_model"] or "none"
    yield "splitting", spec["split"]
    for kind, numbers in (spec.get("robust") or {}).items():
        yield "averaging", f"{kind}: " + ", ".join(f"{key} {value:g}" for key, value in numbers.items())
    if asked.sample is not None:
        incident, tilt = (degrees(getattr(asked.sample, f"{name}_angle")) for name in ("incident", "tilt"))
        words = f"incidence {incident:.6g}°, tilt {tilt:.6g}°, orientation {asked.sample.orientation}"
        yield "sample", words
    yield "corrections", ", ".join(_corrections(spec)) or "none"
    yield "monitor", result.facts["monitor"] or "none"
    yield "mask", ", ".join(_masks(spec)) or "none"
    yield "masked", f"{share(known.mask)}, before frames are looked at"
    if result.positions is None:
        yield from geometry_lines(geometry)
    else:
        yield from detector_lines(geometry.detector)
        yield from moving_lines(result.positions)
    yield "made by", "{program} {version}, {date}".format(**result.facts)
    if result.made_by is not None:
        for place, (name, frames) in enumerate(result.made_by.told()):
            yield ("computed by" if place == 0 else ""), f"{name}: {frames}"
    yield "from", f"{len(result.sources)} file{'s' * (len(result.sources) != 1)}"
    yield from (("", source) for source in result.sources[:2])
    for index, status, message in result.issues(_TOLD):
        yield f"frame {index}", f"{status.name.lower()}: {message}"
    if result.positions is not None:
        yield from (
            (f"frame {index}", f"left out: {reason}") for index, reason in result.positions.left_out[:_TOLD]
        )


def _range(axis: Mapping[str, Any] | None) -> str:
    if axis is None or axis["range"] is None:
        return "not given: all valid pixels"
    low, high = axis["range"]
    return f"{low:.6g} to {high:.6g} ({axis['unit']})"


def _masks(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec["detector_mask"]:
        yield "gaps of the detector"
    if spec["mask"] is not None:
        yield spec["mask"]["name"]


def _corrections(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec["solid_angle"]:
        yield "solid angle"
    if (sensor := spec.get("efficiency")) is not None:
        yield f"efficiency of {Sensor(**sensor)}"
    if spec["polarization_factor"] is not None:
        yield f"polarization {spec['polarization_factor']:g}"
    for key in ("dark", "flat", "absorption"):
        if spec[key] is not None:
            yield f"{key} {spec[key]['name']}"
    for key in ("dummy", "delta_dummy", "saturation"):
        if spec[key] is not None:
            yield f"{key} {spec[key]:g}"
