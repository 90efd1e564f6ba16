"""``aureole info``: what a file is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.errors import FrameError, InputError, SpecError

if TYPE_CHECKING:
    from aureole.frames import EncodedFrame

Lines = Iterator[tuple[str, str]]

_DESCRIPTION = """\
Say what a file is: detector frames (how many, shape, type, encoding, header, where
they lie), a PONI file (geometry, beam centre, energy), the file of a detector (NeXus,
.spline or .geom), sparse frames (how many pixels are kept), or a result (axes, spec, how it
went with each frame; of a map or a tomogram also its shape, images and rotation axis; of
many positions of the detector what changes between them). Or list the detectors that are
known by name, or the OpenCL devices of this machine."""

_EPILOG = """\
examples:
  aureole info run_master.h5
  aureole info detector.poni
  aureole info patterns.h5
  aureole info --detectors
  aureole info --devices"""

_TOLD = 12
"""How many header entries, links or bad frames are listed."""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "info",
        usage="aureole info FILE | --detectors | --devices",
        help="what a file is",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="frames (a file, folder, pattern or file.h5::/path), PONI, detector or result",
    )
    parser.add_argument("--detectors", action="store_true", help="list the detectors that are known by name")
    parser.add_argument(
        "--devices", action="store_true", help="list the OpenCL devices, and say what --backend auto takes"
    )


def run(args: argparse.Namespace) -> int:
    """Tell."""
    if args.detectors + args.devices + (args.file is not None) != 1:
        raise SpecError("give the name of a file, or --detectors, or --devices")
    if args.detectors:
        from aureole.cli.tell_geometry import known_detectors

        print("\n".join(known_detectors()))
        return 0
    if args.devices:
        from aureole.cli.tell_devices import device_lines

        print("\n".join(device_lines()))
        return 0
    title, lines = _describe(args.file)
    text = [title, *(f"  {key:<16} {value}".rstrip() for key, value in lines)]
    print("\n".join(text))
    return 0


def _describe(name: str) -> tuple[str, Lines]:
    from aureole.io.sniff import what_is

    if what_is(name) == "file":
        if _is_poni(name):
            from aureole.cli.tell_geometry import geometry_lines
            from aureole.io import load

            return f"{name}: geometry (PONI)", geometry_lines(load(name))
        if name.endswith(".json"):
            from aureole.calibration.goniometer import Goniometer
            from aureole.cli.tell_goniometer import moving_lines

            return f"{name}: goniometer", iter(moving_lines(Goniometer.load(name)))
        from aureole.io.detector_files import is_detector_file, load_detector

        if is_detector_file(name):
            from aureole.cli.tell_geometry import detector_lines

            return f"{name}: detector", detector_lines(load_detector(name))
        from aureole.cli.tell_result import result_lines, scan_lines
        from aureole.io.pdf_results import is_pdf_result
        from aureole.io.results import is_result
        from aureole.io.scan_results import is_scan_result, read_scan_result
        from aureole.io.sparse_file import is_sparse

        if is_sparse(name):
            return f"{name}: sparse frames", _sparse_lines(name)
        if is_pdf_result(name):
            from aureole.cli.tell_pdf import pdf_lines

            return f"{name}: pair distribution functions", pdf_lines(name)
        if is_scan_result(name):
            with read_scan_result(name) as scan:
                return f"{name}: {scan.kind} of patterns", scan_lines(name)
        if is_result(name):
            return f"{name}: result of 'aureole integrate'", result_lines(name)
    if (unfinished := _unfinished(name)) is not None:
        return f"{name}: unfinished run", unfinished
    return f"{name}: detector frames", _frame_lines(name)


def _unfinished(name: str) -> Lines | None:
    """Return what is known of a run whose output is not there yet; None where there is no such run."""
    from aureole.runs.manifest import Manifest
    from aureole.runs.parts import Parts
    from aureole.runs.run import directory_of

    directory = directory_of(name)
    manifest = Manifest.load(directory)
    if manifest is None:
        return None
    parts = Parts(directory, manifest.run)
    done, made_by = len(parts.listed()), parts.made_by(manifest.parts)
    command = " ".join(manifest.command.get("argv", ())) or "from Python"
    lines = [
        (
            "parts",
            f"{done} of {len(manifest.parts)} are there, of {manifest.part_frames} frames each",
        ),
        ("frames", str(manifest.request["frames"])),
        *(("by", f"{name}: {frames}") for name, frames in made_by.told()),
        ("begun by", command),
        ("goes on with", f"aureole resume {directory.with_suffix('')}"),
    ]
    return iter(lines)


def _is_poni(name: str) -> bool:
    """Whether a file is a PONI file, by its ending or by its first lines."""
    if Path(name).suffix.lower() == ".poni":
        return True
    with Path(name).open("rb") as file:
        start = file.read(4096)
    lines = [line.strip().lower() for line in start.split(b"\n")]
    return b"\0" not in start and any(line.startswith(b"poni1:") for line in lines)


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


def _sparse_lines(name: str) -> Lines:
    from aureole.io import FrameStatus, SparseFile

    with SparseFile(name) as sparse:
        layout, total = sparse.layout, len(sparse)
        done = int((sparse.status == FrameStatus.DONE).sum())
        yield "frames", f"{total}" if done == total else f"{total}, of which {done} are done"
        yield "shape", f"{layout.radius.shape[0]} x {layout.radius.shape[1]} pixels (slow x fast)"
        yield "type", f"{layout.dtype}"
        yield "kept", f"{sparse.kept / max(done, 1):.0f} pixels a frame"
        yield (
            "above",
            f"{layout.picking.cutoff:g} standard deviations, with a noise of {layout.picking.noise:g}",
        )
        yield "background", f"{layout.centres.size} bins of {layout.unit}"


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
