"""``aureole map``: frames of a scanned sample to a map of patterns, and images of it."""

from __future__ import annotations

import argparse
from typing import Any

from aureole.cli.images import add_images, image_files, read_images
from aureole.cli.inputs import add_wait
from aureole.cli.reduction import reduction
from aureole.cli.reduction_options import UNITS_EPILOG, add_options
from aureole.cli.scan_options import add_map_scan, expected_frames, read_map_scan, scan_files
from aureole.cli.terminal import note, progress_bar, tell

_PROG = "aureole map"

_DESCRIPTION = """\
Integrate the frames of a map to patterns at its places, (y, x, q), with errors, and make
images of them: intensities of regions, peaks, and how much of each phase there is.

A frame that is missing or corrupt is reported and its place is NaN; the others go on."""

_EPILOG = f"""\
{UNITS_EPILOG.format(more="")}

examples:
  aureole map 'scan_*.cbf' --poni detector.poni --shape 30,40 --roi Ni111=30.5,31.5 -o map.h5
  aureole map scan.h5 --poni detector.poni --x scan.h5:samy --y scan.h5:samz -o map.h5
  aureole map frames --poni detector.poni --shape 30,40 --zigzag --phase Ni=Ni.xy -o map.h5"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "map",
        usage="aureole map FRAMES... --poni FILE --shape ROWS,COLUMNS -o OUT [options]",
        help="frames of a scanned sample to a map",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run, stopped="the same command goes on with what was done")
    add_map_scan(parser.add_argument_group("where the frames were"))
    add_images(parser.add_argument_group("images"))
    add_wait(add_options(parser, output="NeXus HDF5 (.h5, .nxs)", cakes=False))


def run(args: argparse.Namespace) -> int:
    """Integrate, and make images."""
    from aureole.mapping.xrdmap import map_series

    images = read_images(args)
    others = [*scan_files(args), *image_files(args)]
    with reduction(args, others=others, expected=expected_frames(args)) as job:
        scan = read_map_scan(args, job.frames)
        with progress_bar("making the table", "integrating") as progress:
            report = map_series(
                job.plan(), job.frames, scan, args.output, images=images, options=job.options(progress)
            )
        job.tell_notes(_PROG)
    for line in scan.notes:
        note(_PROG, line)
    return tell(_PROG, report, where="all are in /entry/frame_message")
