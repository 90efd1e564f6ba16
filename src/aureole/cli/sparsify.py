"""``aureole sparsify``: of each frame the pixels that stand out, and the background by radius."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.reduction import clip_of, image_of
from aureole.cli.terminal import progress_bar, tell
from aureole.errors import SpecError

if TYPE_CHECKING:
    from aureole.azimuthal import IntegrationSpec
    from aureole.geometry import Geometry
    from aureole.kernels.pick import Picking

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
    files = parser.add_argument_group("files")
    inputs.add_frames(files)
    inputs.add_geometry(files, required=True)
    inputs.add_output(files, "NeXus HDF5 file (.h5, .nxs), in the layout of pyFAI's sparsify")
    _add_picking(parser.add_argument_group("what is kept"))
    _add_background(parser.add_argument_group("background"))
    inputs.add_running(parser.add_argument_group("running"))
    inputs.add_site(parser.add_argument_group("for the record"))


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
    group.add_argument("--patch", type=int, default=3, metavar="N", help="width of a peak (default: 3)")
    group.add_argument(
        "--connected", type=int, default=2, metavar="N", help="pixels of a peak above CUTOFF (default: 2)"
    )


def _add_background(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--npt", type=int, default=1000, metavar="N", help="number of bins (default: 1000)")
    group.add_argument(
        "--unit", default="2th_deg", metavar="UNIT", help="of the radius, as for 'aureole integrate'"
    )
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
        metavar="SIGMA[,ITER]",
        help="what is no background: as for 'aureole integrate' (default: auto)",
    )
    group.add_argument(
        "--error-model",
        choices=("poisson_floor", "poisson", "azimuthal"),
        default="poisson_floor",
        help="what the standard deviation comes from: counts, at least one a pixel (default), so that a "
        "background of few counts is not clipped away; counts alone; or the scatter around the ring",
    )
    group.add_argument("--mask", metavar="FILE", help="image that is not zero where pixels are invalid")
    group.add_argument("--no-detector-mask", action="store_true", help="use the pixels in gaps as well")
    group.add_argument("--dummy", type=float, metavar="VALUE", help="raw value of invalid pixels")
    group.add_argument("--flat", metavar="FILE", help="image of the pixels' sensitivity")
    group.add_argument(
        "--polarization-factor", type=float, metavar="F", help="from -1 to 1 (default: no correction)"
    )
    group.add_argument("--no-solid-angle", action="store_true", help="do not divide by the solid angle")


def run(args: argparse.Namespace) -> int:
    """Make frames sparse."""
    from aureole.azimuthal.sparse import SparsePlan
    from aureole.io.nexus import Site
    from aureole.io.sniff import NEXUS_ENDINGS
    from aureole.runs.report import RunOptions, check_output
    from aureole.runs.sparsify import sparsify_series

    if args.output.suffix.lower() not in NEXUS_ENDINGS:
        raise SpecError(f"{args.output}: sparse frames are an HDF5 file; let its name end in .h5 or .nxs")
    names = inputs.frame_names(args)
    given = [args.poni, *(name for name in (args.mask, args.flat) if name), *args.list]
    check_output(args.output, given, overwrite=args.overwrite)
    inputs.refuse_output_among_frames(args.output, names)
    geometry, picking = inputs.read_geometry(args), _picking(args)
    with inputs.open_series(names, check_md5=args.check_md5) as frames:
        geometry = inputs.fit_to_frames(geometry, frames, args.poni)
        plan = SparsePlan(_spec(args, geometry), picking, threads=args.threads)
        with progress_bar("reading", "keeping what stands out") as progress:
            options = RunOptions(
                threads=args.threads,
                overwrite=args.overwrite,
                strict=args.strict,
                site=Site(instrument=args.instrument, source=args.source, wavelength=geometry.wavelength),
                parameters={"poni": str(args.poni.resolve())},
                progress=progress,
            )
            report = sparsify_series(plan, frames, args.output, options=options)
    return tell(_PROG, report, where="all are in /entry/frame_message")


def _picking(args: argparse.Namespace) -> Picking:
    from aureole.kernels.pick import Peaks, Picking

    peaks = None if args.peaks is None else Peaks(args.peaks, args.patch, args.connected)
    return Picking(args.cutoff, args.noise, peaks)


def _spec(args: argparse.Namespace, geometry: Geometry) -> IntegrationSpec:
    from aureole.axis import Axis
    from aureole.azimuthal import IntegrationSpec

    limits = None if args.radial_range is None else (args.radial_range[0], args.radial_range[1])
    axis = Axis(args.unit, args.npt, limits)
    inputs.check_wavelength(geometry, [axis], args.poni)
    return IntegrationSpec(
        geometry,
        radial=axis,
        split="no",
        error_model=args.error_model,
        mask=image_of(args.mask),
        detector_mask=not args.no_detector_mask,
        dummy=args.dummy,
        flat=image_of(args.flat),
        solid_angle=not args.no_solid_angle,
        polarization_factor=args.polarization_factor,
        robust=clip_of(args.sigma_clip),
    )
