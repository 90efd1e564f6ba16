"""``aureole convert``: any readable series to one HDF5 stack."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.terminal import note, progress_bar, tell
from aureole.errors import SpecError

if TYPE_CHECKING:
    from aureole.azimuthal.regrid import Regridding
    from aureole.geometry import Geometry

_PROG = "aureole convert"

_DESCRIPTION = """\
Copy a series of frames into one NeXus HDF5 file, bitshuffle-LZ4, one chunk a frame.

Every pixel is read back and compared before the file gets its name. A frame that is
missing or corrupt is reported, and the others go on.

With --undistort the frames become those of a detector of regular pixels: counts are
dealt out by area, none are lost, and OUT.poni says where that detector stands."""

_EPILOG = """\
example:
  aureole convert 'scan_*.cbf' -o scan.h5"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "convert",
        usage="aureole convert FRAMES... -o OUT [options]",
        help="any frames to one verified HDF5 stack",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    files = parser.add_argument_group("files")
    inputs.add_frames(files)
    inputs.add_output(files, "NeXus HDF5 file (.h5, .nxs)")
    files.add_argument(
        "--undistort",
        metavar="PONI",
        type=Path,
        help="correct for the distortion of the detector that this PONI file names (float32)",
    )
    inputs.add_running(parser.add_argument_group("running"))
    inputs.add_site(parser.add_argument_group("for the record"))


def run(args: argparse.Namespace) -> int:
    """Convert."""
    from aureole.azimuthal.regrid import regridding
    from aureole.io import load
    from aureole.io.nexus import Site
    from aureole.io.sniff import NEXUS_ENDINGS
    from aureole.runs.convert import convert_series
    from aureole.runs.report import RunOptions, check_output

    if args.output.suffix.lower() not in NEXUS_ENDINGS:
        raise SpecError(f"{args.output}: a stack is an HDF5 file; let its name end in .h5 or .nxs")
    names = inputs.frame_names(args)
    check_output(args.output, args.list, overwrite=args.overwrite)
    inputs.refuse_output_among_frames(args.output, names)
    poni, geometry = args.output.with_suffix(".poni"), None
    if args.undistort is not None:
        check_output(poni, [*args.list, args.undistort], overwrite=args.overwrite)
        geometry = load(args.undistort)
    frames = inputs.open_series(names, check_md5=args.check_md5)
    with frames, progress_bar("reading", "converting") as progress:
        regular = None
        if geometry is not None:
            geometry = inputs.fit_to_frames(geometry, frames, args.undistort)
            regular = regridding(geometry.detector)
        options = RunOptions(
            threads=args.threads,
            overwrite=args.overwrite,
            strict=args.strict,
            site=Site(instrument=args.instrument, source=args.source),
            progress=progress,
        )
        report = convert_series(frames, args.output, options=options, regridding=regular)
        notes = frames.notes
    if geometry is not None and regular is not None:
        _write_geometry(geometry, regular, poni, overwrite=args.overwrite)
    for line in notes:
        note(_PROG, line)
    return tell(_PROG, report, where="all are in /entry/frame_message")


def _write_geometry(of: Geometry, regular: Regridding, poni: Path, *, overwrite: bool) -> None:
    """Write where the regular pixels stand."""
    from aureole.geometry import format_poni
    from aureole.io.publish import publication

    with publication(poni, overwrite=overwrite) as temporary:
        temporary.write_text(format_poni(regular.geometry(of)), encoding="utf-8")
