"""``aureole densify``: sparse frames to images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from aureole.cli import image_options, inputs
from aureole.cli.terminal import progress_bar, tell
from aureole.errors import SpecError

_PROG = "aureole densify"

_DESCRIPTION = """\
Make images of sparse frames: the background at the radius of each pixel, and the pixels
that were kept, in one NeXus HDF5 file. Reads files of 'aureole sparsify' and of pyFAI."""

_EPILOG = """\
without --background-noise the background is rounded: one of less than half a count
becomes zero

examples:
  aureole densify sparse.h5 -o dense.h5
  aureole densify sparse.h5 --background-noise poisson --seed 1 -o dense.h5"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "densify",
        usage="aureole densify SPARSE -o OUT [options]",
        help="sparse frames to images",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    files = parser.add_argument_group("files")
    files.add_argument("sparse", metavar="SPARSE", type=Path, help="file of sparse frames")
    inputs.add_output(files, "NeXus HDF5 file (.h5, .nxs)")
    group = parser.add_argument_group("background")
    group.add_argument(
        "--background-noise",
        choices=("none", "poisson", "normal"),
        default="none",
        help="draw it at random: as counts, or with the standard deviation that was measured",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise (default: 0)")
    inputs.add_running(parser.add_argument_group("running"))
    inputs.add_site(parser.add_argument_group("for the record"))


def run(args: argparse.Namespace) -> int:
    """Make images."""
    from aureole.io.sniff import NEXUS_ENDINGS
    from aureole.io.sparse_file import SparseFile
    from aureole.runs.sparsify import densify_series

    if args.output.suffix.lower() not in NEXUS_ENDINGS:
        raise SpecError(f"{args.output}: a stack is an HDF5 file; let its name end in .h5 or .nxs")
    image_options.check_seed(args.seed)
    noise = None if args.background_noise == "none" else args.background_noise
    with SparseFile(args.sparse) as sparse, progress_bar("reading", "making images") as progress:
        settings = {"noise": args.background_noise, "seed": args.seed}
        options = image_options.run_options(args, None, progress, **settings)
        report = densify_series(sparse, args.output, noise=noise, seed=args.seed, options=options)
    return tell(_PROG, report, where="all are in /entry/frame_message")
