"""``aureole xrdct``: frames of a turned and translated sample to a tomogram of patterns."""

from __future__ import annotations

import argparse
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from aureole.cli.images import add_images, image_files, read_images, windows
from aureole.cli.inputs import add_wait
from aureole.cli.reduction import reduction
from aureole.cli.reduction_options import UNITS_EPILOG, add_options
from aureole.cli.scan_options import add_xrdct_scan, expected_frames, read_xrdct_scan, scan_files
from aureole.cli.terminal import note, progress_bar, tell
from aureole.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from aureole.io import Frames
    from aureole.mapping.tomography import TomographyRequest

_PROG = "aureole xrdct"
_METHODS = ("fbp", "sirt", "cgls", "osem", "mlem", "tv")

_DESCRIPTION = """\
From the frames of a diffraction tomogram to a volume of patterns: integrate, sort to
sinograms, put right, reconstruct every bin, with errors carried from photon to voxel.

OUT holds the sinograms as measured, /entry/sinogram (z, translation, rotation, q), the
volume, /entry/data (z, y, x, q), and images of it. A frame that is missing or corrupt is
reported, and its place in the sinogram filled from its neighbours; the others go on."""

_EPILOG = f"""\
{UNITS_EPILOG.format(more="")}

examples:
  aureole xrdct 'scan_*.cbf' --poni detector.poni --shape 90,60 -o tomogram.h5
  aureole xrdct frames --poni detector.poni --shape 90,60 --zigzag --backlash --center 29.7 -o t.h5
  aureole xrdct frames --poni detector.poni --rotation scan.csv:rotation \\
      --translation scan.csv:translation --transmission scan.csv:transmission -o tomogram.h5
  aureole xrdct 'live/scan_%05d.cbf' --poni detector.poni --shape 90,60 --wait 10 -o tomogram.h5"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "xrdct",
        usage="aureole xrdct FRAMES... --poni FILE --shape ANGLES,TRANSLATIONS -o OUT [options]",
        help="frames of a turned sample to a tomogram",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run, stopped="the same command goes on with what was done")
    add_xrdct_scan(parser.add_argument_group("where the frames were"))
    _add_sinograms(parser.add_argument_group("sinograms"))
    _add_reconstruction(parser.add_argument_group("reconstruction"))
    images = parser.add_argument_group("images of the volume")
    add_images(images)
    images.add_argument(
        "--dlsr",
        metavar="NAME=LOW,HIGH",
        action="append",
        default=[],
        help="images of the one peak between LOW and HIGH, fitted in all voxels directly against the "
        "sinograms; slow; repeatable",
    )
    add_wait(add_options(parser, output="NeXus HDF5 (.h5, .nxs)", cakes=False))


def _add_sinograms(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--transmission",
        metavar="SOURCE",
        help="of each frame, from 0 to 1, to divide by: table.csv:COLUMN, file.h5::/path, or a key of the "
        "frames' headers",
    )
    group.add_argument(
        "--equal-totals", action="store_true", help="scale all projections to the same total intensity"
    )
    group.add_argument(
        "--air", type=int, default=0, metavar="N", help="N translations at both ends see air: subtract it"
    )
    moved = group.add_mutually_exclusive_group()
    moved.add_argument(
        "--jitter", action="store_true", help="move each projection to where its centre of mass should be"
    )
    moved.add_argument(
        "--backlash", action="store_true", help="move every second projection, of a zigzag scan"
    )
    for what in ("angles", "translations"):
        group.add_argument(
            f"--without-{what}",
            metavar="N,N,...",
            help=f"{what} that are not used, counted from 0",
        )


def _add_reconstruction(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--center",
        default="auto",
        metavar="auto|X",
        help="rotation axis in steps from the first translation (default: auto, from the sum of all bins)",
    )
    group.add_argument(
        "--half-acquisition", action="store_true", help="360 degrees, with the axis near one edge"
    )
    group.add_argument(
        "--method",
        choices=_METHODS,
        default="fbp",
        help="filtered backprojection (fbp, the default), which alone gives errors, or iterative ones",
    )
    group.add_argument(
        "--window", default="shepp-logan", metavar="NAME", help="of the ramp filter (default: shepp-logan)"
    )
    group.add_argument("--iterations", type=int, metavar="N", help="of iterative methods")
    group.add_argument("--strength", type=float, default=0.0, metavar="S", help="of the total variation (tv)")
    group.add_argument("--nonnegative", action="store_true", help="no negative values (sirt, tv)")


def run(args: argparse.Namespace) -> int:
    """Integrate, sort, reconstruct."""
    from aureole.io.scalars import file_of
    from aureole.mapping.xrdct import xrdct_series

    transmission = None if args.transmission is None else file_of(args.transmission)
    others = [*scan_files(args), *image_files(args), *([transmission] if transmission else [])]
    with reduction(args, others=others, expected=expected_frames(args)) as job:
        request = _request(args, job.frames)
        scan = read_xrdct_scan(args, job.frames)
        with progress_bar("making the table", "integrating") as progress:
            report = xrdct_series(
                job.plan(), job.frames, scan, args.output, request=request, options=job.options(progress)
            )
        job.tell_notes(_PROG)
    for line in scan.notes:
        note(_PROG, line)
    return tell(_PROG, report, where="all are in /entry/frame_message")


def _request(args: argparse.Namespace, frames: Frames) -> TomographyRequest:
    from aureole.mapping.tomography import Corrections, Reconstruction, TomographyRequest

    return TomographyRequest(
        corrections=Corrections(
            equal_totals=args.equal_totals,
            air=args.air,
            jitter=args.jitter,
            backlash=args.backlash,
            without_angles=_numbers("angles", args.without_angles),
            without_translations=_numbers("translations", args.without_translations),
        ),
        reconstruction=Reconstruction(
            method=args.method,
            window=args.window,
            iterations=args.iterations,
            strength=args.strength,
            nonnegative=args.nonnegative,
            center=_center(args.center),
            half_acquisition=args.half_acquisition,
        ),
        images=read_images(args),
        direct=windows("dlsr", args.dlsr),
        transmission=_transmission(args.transmission, frames),
        transmission_name=args.transmission,
    )


def _transmission(
    source: str | None, frames: Frames
) -> NDArray[np.float64] | Callable[[], NDArray[np.float64]] | None:
    """Return the transmission where a table has it; of headers, what finds it when frames are there.

    What is wrong with it is told before any work, as far as it can be seen then.
    """
    import numpy as np

    from aureole.io import read_positions, read_scalars
    from aureole.io.scalars import file_of
    from aureole.tomo.absorption import MOST

    if source is None:
        return None
    if file_of(source) is None:
        read_scalars(source, frames)
        return partial(read_positions, source, frames, what="transmission")
    values = read_positions(source, frames, what="transmission")
    wrong = np.flatnonzero((values <= 0) | (values > MOST))
    if wrong.size:
        raise SpecError(f"{source}: {values[wrong[0]]:g} of frame {wrong[0]} is no transmission, from 0 to 1")
    return values


def _numbers(what: str, text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", text, re.ASCII):
        raise SpecError(f"--without-{what} {text}: wanted are numbers from 0 with commas between them")
    return tuple(map(int, text.split(",")))


def _center(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise SpecError(f"--center {text}: wanted is auto, or a number of steps") from None
