"""Options that say which images are made of patterns, of the verbs that reduce scans."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from aureole.cli.parser import NUMBER
from aureole.errors import SpecError

if TYPE_CHECKING:
    from aureole.mapping.images import ImageRequest

_WINDOW = re.compile(rf"([\w-]+)=({NUMBER}),({NUMBER})", re.ASCII)


def add_images(group: argparse._ActionsContainer) -> None:
    """Add ``--roi``, ``--peak``, ``--phase`` and what goes with them."""
    for option, text in (
        ("roi", "image of the intensity between LOW and HIGH (in UNIT), and of its centre of mass"),
        ("peak", "images of the area, position and width of the one peak between LOW and HIGH"),
    ):
        group.add_argument(
            f"--{option}", metavar="NAME=LOW,HIGH", action="append", default=[], help=f"{text}; repeatable"
        )
    group.add_argument(
        "--phase",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="reference pattern (.xy, in UNIT): images of how much of each there is; repeatable",
    )
    group.add_argument(
        "--phase-range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="where phases are fitted (default: where all references are)",
    )
    group.add_argument(
        "--roi-background",
        choices=("linear", "none"),
        default="linear",
        help="subtract the line between the ends of a region (default: linear)",
    )


def image_files(args: argparse.Namespace) -> list[str]:
    """Return the files that these options name, which the output must not replace."""
    return list(_phases(args).values())


def read_images(args: argparse.Namespace) -> ImageRequest:
    """Return what the options mean.

    Raises
    ------
    InputError
        An option is not as it should be, or a reference cannot be read.
    """
    from aureole.mapping.images import ImageRequest, read_references
    from aureole.units import unit

    if args.phase_range is not None and not args.phase:
        raise SpecError(
            "--phase-range is where phases are fitted: give the references with --phase NAME=FILE"
        )
    return ImageRequest(
        regions=windows("roi", args.roi),
        peaks=windows("peak", args.peak),
        phases=read_references(_phases(args), unit(args.unit).name),
        window=None if args.phase_range is None else (args.phase_range[0], args.phase_range[1]),
        background=args.roi_background == "linear",
    )


def windows(option: str, given: list[str]) -> dict[str, tuple[float, float]]:
    """Return the ranges that an option gave names to."""
    found: dict[str, tuple[float, float]] = {}
    for text in given:
        match = _WINDOW.fullmatch(text)
        if match is None:
            raise SpecError(f"--{option} {text}: wanted is NAME=LOW,HIGH, such as Ni111={30.5},{31.5}")
        if match[1] in found:
            raise SpecError(f"--{option} {text}: there is one of that name already")
        found[match[1]] = (float(match[2]), float(match[3]))
    return found


def _phases(args: argparse.Namespace) -> dict[str, str]:
    files: dict[str, str] = {}
    for text in args.phase:
        name, mark, file = text.partition("=")
        if not (name and mark and file):
            raise SpecError(f"--phase {text}: wanted is NAME=FILE, such as Ni=nickel.xy")
        if name in files:
            raise SpecError(f"--phase {text}: there is one of that name already")
        files[name] = file
    return files
