"""``aureole integrate``: frames to patterns or cakes."""

from __future__ import annotations

import argparse
from typing import Any

from aureole.cli.reduction import reduction
from aureole.cli.reduction_options import UNITS_EPILOG, add_options
from aureole.cli.terminal import progress_bar, tell

_PROG = "aureole integrate"

_DESCRIPTION = """\
Integrate detector frames to patterns (1D) or cakes (2D), one row a frame, with errors.

A frame that is missing or corrupt is reported and its row is NaN; the others go on.
See /entry/frame_status and /entry/frame_message in the output."""

_EPILOG = f"""\
{UNITS_EPILOG.format(more=", and chi_deg or chi_rad for intensity against azimuth")}

axes reach from the first to the last valid pixel: to compare results that were made with
different masks bin by bin, give --radial-range, and --azimuth-range for cakes

examples:
  aureole integrate 'scan_*.cbf' --poni detector.poni --mask mask.edf -o patterns.h5
  aureole integrate run_master.h5 --poni eiger.poni --npt-azim 360 --unit 2th_deg -o cakes.h5
  aureole integrate CeO2.cbf --poni detector.poni --polarization-factor 0.99 -o CeO2.xy"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "integrate",
        usage="aureole integrate FRAMES... --poni FILE -o OUT [options]",
        help="frames to patterns or cakes",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run, stopped="the same command goes on with what was done")
    add_options(
        parser,
        output="NeXus HDF5 (.h5, .nxs), with NXazint1d or NXazint2d; one frame also .xy, .xye, .dat, .chi",
        cakes=True,
    )


def run(args: argparse.Namespace) -> int:
    """Integrate."""
    from aureole.runs.integrate import check_ending, integrate_series

    with reduction(args) as job:
        check_ending(args.output, frames=len(job.frames), cake=args.npt_azim is not None)
        with progress_bar("making the table", "integrating") as progress:
            report = integrate_series(job.plan(), job.frames, args.output, options=job.options(progress))
        job.tell_notes(_PROG)
    return tell(_PROG, report, where="all are in /entry/frame_message")
