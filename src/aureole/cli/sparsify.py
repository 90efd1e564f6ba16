"""``aureole sparsify``: of each frame the pixels that stand out, and the background by radius."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from aureole.cli import image_options
from aureole.cli.reduction import clip_of
from aureole.cli.terminal import progress_bar, tell
from aureole.errors import SpecError

if TYPE_CHECKING:
    from aureole.azimuthal import Picking

_PROG = "aureole sparsify"

_DESCRIPTION = """\
Keep of each frame the pixels that stand out above the background of their radius, with
their raw values, and that background: a mean and a standard deviation for each bin.

For single crystals, whose frames become many times smaller. 'aureole densify' makes
images of them again; FabIO opens them as images too."""

_EPILOG = """\
with e the intensity less the background, s its standard deviation and N the noise, pixels
are kept that have e > N and e > CUTOFF * sqrt(s^2 + N^2)

examples:
  aureole sparsify run_master.h5 --poni eiger.poni -o sparse.h5
  aureole sparsify run_master.h5 --poni eiger.poni --peaks 5 -o sparse.h5
  aureole densify sparse.h5 -o dense.h5"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "sparsify",
        usage="aureole sparsify FRAMES... --poni FILE -o OUT [options]",
        help="keep the pixels that stand out, and the background",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    image_options.add_files(parser, "NeXus HDF5 file (.h5, .nxs), in the layout of pyFAI's sparsify")
    _add_picking(parser.add_argument_group("what is kept"))
    _add_background(parser.add_argument_group("background"))
    image_options.add_pixels(parser)


def _add_picking(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--cutoff", type=float, default=3.0, metavar="N", help="standard deviations (default: 3)"
    )
    group.add_argument(
        "--noise", type=float, default=1.0, metavar="N", help="counts that are noise (default: 1)"
    )
    group.add_argument(
        "--peaks",
        nargs="?",
        const=5.0,
        type=float,
        metavar="CUTOFF",
        help="find peaks too: pixels above CUTOFF standard deviations (5 where none are given) that are the "
        "highest around",
    )
    group.add_argument("--patch", type=int, metavar="N", help="width of a peak (default: 3)")
    group.add_argument(
        "--connected", type=int, metavar="N", help="pixels of a peak above CUTOFF (default: 2)"
    )


def _add_background(group: argparse._ArgumentGroup) -> None:
    image_options.add_radius(group)
    group.add_argument(
        "--radial-range",
        type=float,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="in UNIT; pixels outside are left out",
    )
    group.add_argument(
        "--sigma-clip",
        default="auto",
        metavar="SIGMA[,ITER[,scatter]]",
        help="what is no background: as for 'aureole integrate' (default: auto)",
    )
    group.add_argument(
        "--error-model",
        choices=("poisson_floor", "poisson", "azimuthal"),
        default="poisson_floor",
        help="what the standard deviation comes from: counts, at least one a pixel (default), so that a "
        "background of few counts is not clipped away; counts alone; or the scatter around the ring",
    )


def run(args: argparse.Namespace) -> int:
    """Make frames sparse."""
    from aureole.azimuthal import IntegrationSpec, SparsePlan
    from aureole.runs.sparsify import sparsify_series

    clip, picking = clip_of(args.sigma_clip), _picking(args)
    with image_options.opened(args) as (frames, geometry):
        spec = IntegrationSpec(
            geometry,
            radial=image_options.radial_axis(args, geometry),
            split="no",
            error_model=args.error_model,
            robust=clip,
            **image_options.spec_fields(args),
        )
        plan = SparsePlan(spec, picking, threads=args.threads)
        with progress_bar("reading", "keeping what stands out") as progress:
            options = image_options.run_options(args, geometry, progress)
            report = sparsify_series(plan, frames, args.output, options=options)
    return tell(_PROG, report, where="all are in /entry/frame_message")


def _picking(args: argparse.Namespace) -> Picking:
    from aureole.azimuthal import Peaks, Picking

    if args.peaks is None:
        if args.patch is not None or args.connected is not None:
            raise SpecError("--patch and --connected are of the peaks that --peaks finds")
        return Picking(args.cutoff, args.noise)
    patch, connected = (
        (3 if args.patch is None else args.patch),
        (2 if args.connected is None else args.connected),
    )
    return Picking(args.cutoff, args.noise, Peaks(args.peaks, patch, connected))
