"""``aureole inpaint``: values for pixels that have none."""

from __future__ import annotations

import argparse
from typing import Any

from aureole.cli import image_options
from aureole.cli.terminal import progress_bar, tell

_PROG = "aureole inpaint"

_DESCRIPTION = """\
Fill the invalid pixels of frames (gaps, --mask, values that mark them) with what is seen at
the same radius, near in azimuth. For programs that cannot do with masks, and for pictures:
nothing is learnt from pixels that were filled."""

_EPILOG = """\
examples:
  aureole inpaint 'scan_*.cbf' --poni detector.poni --mask mask.edf -o filled.h5
  aureole inpaint 'scan_*.cbf' --poni detector.poni --noise poisson --seed 1 -o filled.h5"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "inpaint",
        usage="aureole inpaint FRAMES... --poni FILE -o OUT [options]",
        help="fill the pixels that are masked",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    image_options.add_files(parser, "NeXus HDF5 file (.h5, .nxs)")
    group = parser.add_argument_group("filling")
    image_options.add_radius(group)
    group.add_argument(
        "--npt-azim",
        type=int,
        default=90,
        metavar="N",
        help="number of azimuthal bins (default: 90); with 1, pixels get the mean of their ring",
    )
    group.add_argument(
        "--noise",
        choices=("none", "poisson"),
        default="none",
        help="draw the counts at random about what they are expected to be",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise (default: 0)")
    image_options.add_pixels(parser)


def run(args: argparse.Namespace) -> int:
    """Fill."""
    from aureole.axis import Axis
    from aureole.azimuthal import Inpainter, IntegrationSpec
    from aureole.runs.images import write_images

    image_options.check_seed(args.seed)
    noise = None if args.noise == "none" else args.noise
    with image_options.opened(args) as (frames, geometry):
        spec = IntegrationSpec(
            geometry,
            radial=image_options.radial_axis(args, geometry),
            azimuthal=Axis("chi_deg", args.npt_azim),
            split="no",
            **image_options.spec_fields(args),
        )
        fill = Inpainter(spec, threads=args.threads)
        with progress_bar("reading", "filling") as progress:
            report = write_images(
                lambda index: [fill(frames[index], noise=noise, seed=(args.seed, index))],
                [args.output],
                (len(frames), frames.shape, frames.dtype),
                inputs=frames.sources,
                provenance=image_options.provenance(
                    args,
                    spec,
                    frames,
                    "frames whose invalid pixels were filled from the same radius",
                    noise=args.noise,
                    seed=args.seed,
                ),
                options=image_options.run_options(args, geometry, progress),
            )
    return tell(_PROG, report, where="all are in /entry/frame_message")
