"""``aureole separate``: Bragg peaks without the background of their radius, and that background."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.cli import image_options
from aureole.cli.reduction import clip_of
from aureole.cli.terminal import progress_bar, tell

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PROG = "aureole separate"

_DESCRIPTION = """\
Separate Bragg peaks from the amorphous or powder background: of each frame an image of
the peaks, and with --amorphous one of the background. Their sum is the frame; both are
NaN in invalid pixels."""

_EPILOG = """\
examples:
  aureole separate 'scan_*.cbf' --poni detector.poni -o bragg.h5
  aureole separate 'scan_*.cbf' --poni detector.poni -o bragg.h5 --amorphous background.h5"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "separate",
        usage="aureole separate FRAMES... --poni FILE -o OUT [options]",
        help="Bragg peaks apart from the background",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    files = image_options.add_files(parser, "NeXus HDF5 file (.h5, .nxs) of the peaks")
    files.add_argument("--amorphous", type=Path, metavar="FILE", help="the same of the background")
    group = parser.add_argument_group("background")
    image_options.add_radius(group)
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--percentile",
        type=float,
        default=50.0,
        metavar="P",
        help="of the pixels of a bin (default: 50, the median)",
    )
    either.add_argument(
        "--sigma-clip", metavar="SIGMA[,ITER[,scatter]]", help="in its place: as for 'aureole integrate'"
    )
    image_options.add_pixels(parser)


def run(args: argparse.Namespace) -> int:
    """Separate."""
    import numpy as np

    from aureole.azimuthal import IntegrationSpec, Separator
    from aureole.azimuthal.separate import at_percentile
    from aureole.runs.images import write_images

    rule = at_percentile(args.percentile) if args.sigma_clip is None else clip_of(args.sigma_clip)
    with image_options.opened(args) as (frames, geometry):
        axis = image_options.radial_axis(args, geometry)
        spec = IntegrationSpec(geometry, radial=axis, robust=rule, **image_options.spec_fields(args))
        apart = Separator(spec, threads=args.threads)
        outputs = [path for path in (args.output, args.amorphous) if path is not None]

        def images(index: int) -> list[NDArray[Any]]:
            bragg, amorphous, _ = apart(frames[index])
            return [bragg, amorphous][: len(outputs)]

        with progress_bar("reading", "separating") as progress:
            report = write_images(
                images,
                outputs,
                (len(frames), frames.shape, np.dtype(np.float32)),
                inputs=frames.sources,
                provenance=image_options.provenance(
                    args, spec, frames, "frames less the background of their radius, and that background"
                ),
                options=image_options.run_options(args, geometry, progress),
            )
    return tell(_PROG, report, where="all are in /entry/frame_message")
