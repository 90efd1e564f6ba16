"""``aureole info``: what a file is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from math import degrees
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.errors import FormatError, FrameError, GeometryError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.frames import EncodedFrame
    from aureole.geometry import Geometry

Lines = Iterator[tuple[str, str]]

_DESCRIPTION = """\
Say what a file is: detector frames (how many, shape, type, encoding, header, where
they lie), a PONI file (geometry, beam centre, energy), or a result of 'aureole
integrate' (axes, spec, how it went with each frame)."""

_EPILOG = """\
examples:
  aureole info run_master.h5
  aureole info detector.poni
  aureole info patterns.h5"""

_TOLD = 12
"""How many header entries, links or bad frames are listed."""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "info",
        usage="aureole info FILE",
        help="what a file is",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "file", metavar="FILE", help="frames (a file, folder, pattern or file.h5::/path), PONI or result"
    )


def run(args: argparse.Namespace) -> int:
    """Tell."""
    title, lines = _describe(args.file)
    text = [title, *(f"  {key:<16} {value}".rstrip() for key, value in lines)]
    print("\n".join(text))
    return 0


def _describe(name: str) -> tuple[str, Lines]:
    from aureole.io.sniff import what_is

    if what_is(name) == "file":
        if _is_poni(name):
            from aureole.io import load

            return f"{name}: geometry (PONI)", geometry_lines(load(name))
        from aureole.io.results import is_result

        if is_result(name):
            return f"{name}: result of 'aureole integrate'", _result_lines(name)
    return f"{name}: detector frames", _frame_lines(name)


def _is_poni(name: str) -> bool:
    """Whether a file is a PONI file, by its ending or by its first lines."""
    if Path(name).suffix.lower() == ".poni":
        return True
    with Path(name).open("rb") as file:
        start = file.read(4096)
    lines = [line.strip().lower() for line in start.split(b"\n")]
    return b"\0" not in start and any(line.startswith(b"poni1:") for line in lines)


def geometry_lines(geometry: Geometry) -> Lines:
    """Yield what a geometry is, in the units in which people speak of it."""
    detector = geometry.detector
    shape = f"{detector.shape[0]} x {detector.shape[1]} pixels" if detector.shape else "shape from the frames"
    size = f"{detector.pixel1 * 1e6:g} x {detector.pixel2 * 1e6:g} µm"
    yield "detector", f"{detector.name}, {shape} of {size} (slow x fast)"
    if detector.sensor is not None:
        thick = f", {detector.sensor.thickness * 1e6:g} µm" if detector.sensor.thickness else ""
        yield "sensor", f"{detector.sensor.material}{thick}"
    yield "orientation", f"{detector.orientation}"
    yield "distance", f"{geometry.dist * 1e3:.6g} mm"
    yield "PONI", f"{geometry.poni1 * 1e3:.6g} mm (slow), {geometry.poni2 * 1e3:.6g} mm (fast)"
    rotations = (degrees(value) for value in (geometry.rot1, geometry.rot2, geometry.rot3))
    yield "rotations", ", ".join(f"{value:.6g}°" for value in rotations) + " (rot1, rot2, rot3)"
    try:
        tilted = geometry.to_fit2d()
    except GeometryError as error:
        yield "beam centre", f"none: {error}"
    else:
        if detector.shape is not None or detector.orientation == 3:
            slow, fast = geometry.beam_center()
            yield "beam centre", f"row {slow:.2f}, column {fast:.2f} (pixels; 0.5 is the middle of the first)"
        yield "along the beam", f"{tilted.direct_mm:.6g} mm, detector tilted by {abs(tilted.tilt):.4g}°"
    if geometry.wavelength is None:
        yield "wavelength", "none: q and d need --energy or --wavelength"
    else:
        angstrom = geometry.wavelength * 1e10
        yield "wavelength", f"{angstrom:.6g} Å ({geometry.energy_kev:.6g} keV)"
    if detector.shape is not None:
        yield "gaps", _share(detector.mask)
        for unit, words in (("2th_deg", "2θ from {:.4g} to {:.4g}°"), ("q_nm^-1", "q to {1:.5g} nm⁻¹")):
            if unit == "2th_deg" or geometry.wavelength is not None:
                values = geometry.center_array(unit)
                yield "covers", words.format(float(values.min()), float(values.max()))


def _share(mask: NDArray[np.bool_]) -> str:
    return f"{100 * float(mask.mean()):.2f} % of the pixels"


def _frame_lines(name: str) -> Lines:
    from aureole.io import open_frames

    with open_frames(name) as frames:
        yield "frames", f"{len(frames)}"
        first, failures = None, []
        for index in range(min(len(frames), _TOLD)):
            try:
                first = frames[index]
                break
            except FrameError as error:
                failures.append(str(error))
        if first is None:
            many = f"none of the first {len(failures)} frames can be read: " if len(failures) > 1 else ""
            raise InputError(f"{many}{failures[0]}")
        yield from (("unreadable", failure) for failure in failures)
        yield "shape", f"{first.shape[0]} x {first.shape[1]} pixels (slow x fast)"
        yield "type", f"{first.dtype}"
        yield "encoding", _encoding(first)
        for line in frames.notes:
            yield "note", line
        yield "first", frames.name(0)
        if len(frames) > 1:
            yield "last", frames.name(len(frames) - 1)
        sources = frames.sources
        if len(sources) > 1 or not frames.name(0).startswith(sources[0]):
            yield "lie in", f"{len(sources)} file{'s' * (len(sources) != 1)}"
            yield from (("", source) for source in sources[:_TOLD])
            if len(sources) > _TOLD:
                yield "", f"and {len(sources) - _TOLD} more"
        yield from _header_lines(first.header)


def _encoding(frame: EncodedFrame) -> str:
    """Return how frames come to the kernel, which need not be how they lie in the file."""
    from aureole.frames import Encoding

    full = frame.shape[0] * frame.shape[1] * frame.dtype.itemsize
    if frame.encoding is Encoding.RAW:
        return f"none when the kernel gets it: {full / 1e6:.2f} MB a frame"
    name = {Encoding.BYTE_OFFSET: "CBF byte-offset", Encoding.BITSHUFFLE_LZ4: "bitshuffle-LZ4"}[
        frame.encoding
    ]
    return f"{name}, {frame.nbytes / 1e6:.2f} MB of {full / 1e6:.2f} MB a frame"


def _header_lines(header: Mapping[str, str]) -> Lines:
    for place, (key, value) in enumerate(header.items()):
        if place == 3 * _TOLD:
            yield "header", f"and {len(header) - place} more entries"
            return
        text = " ".join(value.split())
        yield "header" if place == 0 else "", f"{key} = {text[:100]}"


def _result_lines(name: str) -> Lines:
    from aureole.azimuthal import IntegrationSpec
    from aureole.azimuthal.corrections import pixels
    from aureole.io.results import read_result
    from aureole.io.status import FrameStatus

    with read_result(name) as result:
        try:
            asked = IntegrationSpec.from_json(result.spec_json, result.read_arrays())
            geometry = asked.geometry.with_shape(asked.shape or ())
            known = pixels(asked, geometry)
        except InputError as error:
            raise FormatError(f"{name}: its spec cannot be used: {error}") from None
        # The text of a spec may leave out what has a default.
        spec = json.loads(asked.to_json())
        total, done = len(result.status), result.count(FrameStatus.DONE)
        parts = [f"{result.count(status)} {status.name.lower()}" for status in FrameStatus if status]
        yield "frames", f"{total}: {done} done" + ("" if done == total else f", {', '.join(parts)}")
        yield "holds", f"{'cakes' if result.is_cake else 'patterns'} ({result.facts['definition']})"
        yield "shape", " x ".join(map(str, result.shape))
        for kind, axis in (("radial", result.radial), ("azimuthal", result.azimuthal)):
            if axis is not None:
                low, high = axis.centres[0], axis.centres[-1]
                yield kind, f"{axis.centres.size} bins of {axis.unit}, centres {low:.6g} to {high:.6g}"
        for kind in ("radial", "azimuthal"):
            yield f"{kind} range", _range(spec[kind])
        yield "errors", spec["error_model"] or "none"
        yield "splitting", spec["split"]
        yield "corrections", ", ".join(_corrections(spec)) or "none"
        yield "monitor", result.facts["monitor"] or "none"
        yield "mask", ", ".join(_masks(spec)) or "none"
        yield "masked", f"{_share(known.mask)}, before frames are looked at"
        yield from geometry_lines(geometry)
        yield "made by", "{program} {version}, {date}".format(**result.facts)
        yield "from", f"{len(result.sources)} file{'s' * (len(result.sources) != 1)}"
        yield from (("", source) for source in result.sources[:2])
        for index, status, message in result.issues(_TOLD):
            yield f"frame {index}", f"{status.name.lower()}: {message}"


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
    if spec["polarization_factor"] is not None:
        yield f"polarization {spec['polarization_factor']:g}"
    for key in ("dark", "flat", "absorption"):
        if spec[key] is not None:
            yield f"{key} {spec[key]['name']}"
    for key in ("dummy", "delta_dummy", "saturation"):
        if spec[key] is not None:
            yield f"{key} {spec[key]:g}"
