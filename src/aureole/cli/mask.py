"""``aureole mask``: which pixels do not count, by gaps, shapes, thresholds and statistics."""

from __future__ import annotations

import argparse
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.average import told_of_marks
from aureole.cli.mask_rules import Marked, Rules
from aureole.cli.terminal import note, progress_bar, tell_unused
from aureole.errors import InputError, SpecError

if TYPE_CHECKING:
    from aureole.io import Frames
    from aureole.runs.average import Statistics

_PROG = "aureole mask"
_SIGMA = 6.0

_DESCRIPTION = """\
Make a mask: an image that is 1 where a pixel is invalid and 0 elsewhere.

Each rule adds pixels: gaps of the detector, shapes, thresholds, other masks, and what
frames tell of hot, dead and flickering pixels and of the beam stop. Then the mask is
grown or shrunk; then --and, --not and --invert apply. How many pixels each rule took is
printed.

Places are row,column in pixels, as 'aureole plot' draws and 'aureole info' tells the beam
centre: 0.5 is the middle of the first pixel."""

_EPILOG = """\
examples:
  aureole mask --poni detector.poni --disc 812.5,731,40 -o mask.edf
  aureole mask 'scan_*.cbf' --poni detector.poni --hot --dead --flicker --plot mask.png -o mask.edf
  aureole mask image.tif --poni detector.poni --beam-stop --above 60000 --grow 1 -o mask.tif
  aureole mask --or mask.msk --or mask.edf -o both.h5"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "mask",
        usage="aureole mask [FRAMES...] -o OUT [rules] [options]",
        help="masks from gaps, shapes, thresholds, statistics",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    files = parser.add_argument_group("files")
    inputs.add_frames(files)
    inputs.add_output(files, ".edf, .tif, .npy, .cbf, .msk (FIT2D) or HDF5 (.h5, .nxs)")
    files.add_argument(
        "--plot", metavar="PICTURE", type=Path, help="draw the mask over the image (.png, .pdf)"
    )
    _add_places(parser.add_argument_group("rules without frames"))
    _add_values(parser.add_argument_group("rules about the values of FRAMES"))
    _add_combining(parser.add_argument_group("then"))
    inputs.add_running(parser.add_argument_group("running"))


def _add_places(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--detector", metavar="NAME", help="mask its gaps, such as 'Pilatus 2M'")
    group.add_argument(
        "--poni", metavar="FILE", type=Path, help="geometry: mask the detector's gaps, know rings and beam"
    )
    group.add_argument("--no-detector-mask", action="store_true", help="leave the gaps alone")
    group.add_argument(
        "--shape", metavar="ROWS,COLUMNS", help="of the mask, where neither frames nor detector tell"
    )
    for option, form, text in (
        ("disc", "Y,X,R", "row and column of the centre, radius"),
        ("rectangle", "Y0,X0,Y1,X1", "two corners"),
        ("polygon", "Y,X,Y,X,...", "three corners or more"),
    ):
        group.add_argument(
            f"--{option}", metavar=form, action="append", default=[], help=f"{text}; repeatable"
        )
    group.add_argument(
        "--or", dest="masks", metavar="MASK", action="append", default=[], help="another mask; repeatable"
    )


def _add_values(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--above", type=float, metavar="VALUE", help="pixels above it")
    group.add_argument("--below", type=float, metavar="VALUE", help="pixels below it")
    group.add_argument(
        "--of",
        choices=("mean", "min", "max", "std"),
        default="mean",
        help="which statistic over the frames --above and --below look at (default: mean)",
    )
    for option, text in (
        ("hot", "pixels that are brighter than their peers"),
        ("cold", "pixels that are darker than their peers"),
        ("dead", "pixels that are zero in all frames where their peers are not"),
        ("flicker", "pixels that change from frame to frame more than their peers, or lack a value in some"),
    ):
        group.add_argument(
            f"--{option}",
            type=float,
            nargs="?",
            const=_SIGMA,
            metavar="SIGMA",
            help=f"{text}, by SIGMA standard deviations (default: {_SIGMA:g})",
        )
    group.add_argument(
        "--peers",
        choices=("ring", "neighbours"),
        help="to what pixels are compared: those at the same 2theta, or the eight around (default: ring with "
        "--poni, otherwise neighbours)",
    )
    group.add_argument(
        "--beam-stop", action="store_true", help="the shadow around the direct beam; needs --poni"
    )


def _add_combining(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--grow", type=int, default=0, metavar="N", help="add all within N pixels")
    group.add_argument("--shrink", type=int, default=0, metavar="N", help="take N pixels off the borders")
    group.add_argument(
        "--and", dest="within", metavar="MASK", action="append", default=[], help="only where this is set"
    )
    group.add_argument(
        "--not", dest="without", metavar="MASK", action="append", default=[], help="not where this is set"
    )
    group.add_argument("--invert", action="store_true", help="valid for invalid, last of all")


def run(args: argparse.Namespace) -> int:
    """Make a mask."""
    from aureole.cli.figures import check_picture
    from aureole.io.names import split_dataset
    from aureole.runs.report import check_output

    _check(args)
    given = [args.poni, *args.masks, *args.within, *args.without, *args.list]
    named = [split_dataset(str(name)).path for name in given if name is not None]
    for output in (args.output, args.plot):
        if output is not None:
            check_output(output, named, overwrite=args.overwrite)
    if args.plot is not None:
        check_picture(args.plot)
    rules = Rules(args)
    statistics, frames = None, None
    if args.frames or args.list:
        names = inputs.frame_names(args)
        inputs.refuse_output_among_frames(args.output, names)
        frames = inputs.open_series(names, check_md5=args.check_md5)
        with frames:
            check_output(args.output, frames.sources, overwrite=args.overwrite)
            statistics = _statistics(args, rules, frames)
    found = rules.apply(statistics, whole=frames is not None and frames.dtype.kind in "iu")
    _write(args, found, frames)
    if args.plot is not None:
        from aureole.cli.draw_mask import plot_mask

        image = None if statistics is None else statistics.mean
        plot_mask(args.plot, found.mask, image, name=args.output.name, overwrite=args.overwrite)
    for line in found.lines:
        print(line)
    if found.mask.all():
        note(_PROG, "every pixel is masked")
    elif not found.mask.any():
        note(_PROG, "no pixel is masked")
    share = f"{100 * found.mask.mean():.2f} %"
    print(f"{found.mask.sum()} of {found.mask.size} pixels ({share}) are masked -> {args.output}")
    return 0 if statistics is None else tell_unused(_PROG, statistics.issues, where="the others are used")


def _check(args: argparse.Namespace) -> None:
    from aureole.io.image_write import MASK_ENDINGS
    from aureole.io.sniff import NEXUS_ENDINGS

    known = (*NEXUS_ENDINGS, *MASK_ENDINGS)
    if args.output.suffix.lower() not in known:
        raise SpecError(f"{args.output}: the ending says what is written; known are {', '.join(known)}")
    about_frames = ("above", "below", "hot", "cold", "dead", "flicker")
    wanted = [name for name in about_frames if getattr(args, name) is not None]
    wanted += ["beam-stop"] * args.beam_stop
    if wanted and not (args.frames or args.list):
        raise InputError(f"--{wanted[0]} looks at values: name frames, be it a single image")
    if args.beam_stop and args.poni is None:
        raise SpecError("--beam-stop needs --poni, which says where the direct beam is")
    if args.peers == "ring" and args.poni is None:
        raise SpecError("--peers ring needs --poni, which says where the rings are")
    for name in ("hot", "cold", "dead", "flicker"):
        sigma = getattr(args, name)
        if sigma is not None and not 0.0 < sigma < 100.0:
            raise SpecError(f"--{name} {sigma:g}: wanted are standard deviations, above 0 and below 100")
    for name in ("above", "below"):
        value = getattr(args, name)
        if value is not None and isnan(value):
            raise SpecError(f"--{name} {value:g}: wanted is a number (pixels that are NaN are masked anyway)")
    if min(args.grow, args.shrink) < 0 or (args.grow and args.shrink):
        raise SpecError(
            "--grow and --shrink take a number of pixels from 0 on, and only one of them is of use"
        )


def _statistics(args: argparse.Namespace, rules: Rules, frames: Frames) -> Statistics:
    from aureole.runs.average import frame_statistics
    from aureole.runs.report import RunOptions
    from aureole.runs.treatment import Treatment

    rules.fit(frames.shape)
    with progress_bar("reading", "looking at frames") as progress:
        options = RunOptions(threads=args.threads, strict=args.strict, progress=progress)
        treatment = Treatment(detector=rules.detector, detector_mask=not args.no_detector_mask)
        found = frame_statistics(frames, treatment=treatment, options=options)
    for line in told_of_marks(treatment, frames):
        note(_PROG, line)
    return found


def _write(args: argparse.Namespace, found: Marked, frames: Frames | None) -> None:
    import numpy as np

    from aureole.io.image_write import write_image
    from aureole.io.nexus import Provenance, Source
    from aureole.io.nexus_image import write_nexus_image
    from aureole.io.sniff import NEXUS_ENDINGS

    image = found.mask.astype(np.uint8)
    told = "; ".join(" ".join(line.split()) for line in found.lines)
    if args.output.suffix.lower() not in NEXUS_ENDINGS:
        header = {"aureole": "mask, not zero is invalid", "rules": told}
        write_image(args.output, image, header, overwrite=args.overwrite)
        return
    sources = [] if frames is None else [Source.of(path) for path in frames.sources]
    provenance = Provenance(sources=sources, parameters={"rules": told}, note="a mask: not zero is invalid")
    write_nexus_image(args.output, "mask", {"data": image}, provenance=provenance, overwrite=args.overwrite)
