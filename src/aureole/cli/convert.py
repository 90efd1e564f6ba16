"""``aureole convert``: any readable series to one HDF5 stack."""

from __future__ import annotations

import argparse
from typing import Any

from aureole.cli import inputs
from aureole.cli.terminal import note, progress_bar, tell
from aureole.errors import SpecError

_PROG = "aureole convert"

_DESCRIPTION = """\
Copy a series of frames into one NeXus HDF5 file, bitshuffle-LZ4, one chunk a frame.

Every pixel is read back and compared before the file gets its name. A frame that is
missing or corrupt is reported, and the others go on."""

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
    inputs.add_running(parser.add_argument_group("running"))
    inputs.add_site(parser.add_argument_group("for the record"))


def run(args: argparse.Namespace) -> int:
    """Convert."""
    from aureole.io.nexus import Site
    from aureole.io.sniff import NEXUS_ENDINGS
    from aureole.runs.convert import convert_series
    from aureole.runs.report import RunOptions, check_output

    if args.output.suffix.lower() not in NEXUS_ENDINGS:
        raise SpecError(f"{args.output}: a stack is an HDF5 file; let its name end in .h5 or .nxs")
    names = inputs.frame_names(args)
    check_output(args.output, args.list, overwrite=args.overwrite)
    inputs.refuse_output_among_frames(args.output, names)
    frames = inputs.open_series(names, check_md5=args.check_md5)
    with frames, progress_bar("reading", "converting") as progress:
        options = RunOptions(
            threads=args.threads,
            overwrite=args.overwrite,
            strict=args.strict,
            site=Site(instrument=args.instrument, source=args.source),
            progress=progress,
        )
        report = convert_series(frames, args.output, options=options)
        notes = frames.notes
    for line in notes:
        note(_PROG, line)
    return tell(_PROG, report, where="all are in /entry/frame_message")
