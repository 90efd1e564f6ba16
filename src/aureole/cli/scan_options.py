"""Options that say which frame was where, of the verbs that reduce scans."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from aureole.cli.parser import NUMBER
from aureole.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.io import Frames
    from aureole.mapping.scan import Scan, ScanAxis

_SOURCE = "table.csv:COLUMN, file.h5:NAME, file.h5::/path, or a key of the frames' headers"
_RANGE = re.compile(rf"({NUMBER}),({NUMBER})", re.ASCII)
_STEP = re.compile(rf"({NUMBER})(?:,({NUMBER}))?\s*(m|mm|um|µm|μm|nm)?", re.ASCII)
_COUNTS = re.compile(r"[1-9]\d{0,8}(?:,[1-9]\d{0,8})*", re.ASCII)
_HALF_TURN = 180.0
_LARGEST_STEP = 1e100
"""In any unit; what is above it is a slip of the pen, and overflows."""


def add_map_scan(group: argparse._ActionsContainer) -> None:
    """Add the options of a map: ``--shape`` and the order of frames, or ``--x`` and ``--y``."""
    group.add_argument(
        "--shape", metavar="ROWS,COLUMNS", help="number of places; one number for a scan along a line"
    )
    group.add_argument("--fast", choices=("x", "y"), help="the axis that ran fastest (default: x)")
    _add_order(group, "0.05 or 0.1,0.05mm (rows, columns)")
    for name in ("x", "y"):
        group.add_argument(
            f"--{name}", metavar="SOURCE", help=f"position of each frame along {name}: {_SOURCE}"
        )
    _add_unit(group)
    group.add_argument(
        "--scattered", action="store_true", help="take --x and --y as they are: points on no grid"
    )


def add_xrdct_scan(group: argparse._ActionsContainer) -> None:
    """Add the options of XRD-CT: ``--shape`` and the order of frames, or their positions."""
    group.add_argument(
        "--shape",
        metavar="ANGLES,TRANSLATIONS",
        help="number of places; LAYERS,ANGLES,TRANSLATIONS for several layers",
    )
    group.add_argument(
        "--order",
        choices=("translation-first", "rotation-first"),
        help="what ran fastest: all translations at one angle, then the next angle (translation-first, the "
        "default), or all angles at one translation",
    )
    _add_order(group, "0.05, 50um or 0.1,0.05mm (layers, translations)")
    group.add_argument(
        "--interlaced",
        type=int,
        metavar="N",
        help="the angles were visited in N passes: 0, N, 2N, ..., 1, ...",
    )
    group.add_argument(
        "--angles",
        metavar="FIRST,LAST|FILE",
        help="in degrees, both ends included, or a file with an angle for each rotation: text of one column, "
        "table.csv:COLUMN or file.h5::/path (default: 0 to 180, without 180)",
    )
    for name, text in (
        ("rotation", "angle of each frame in degrees"),
        ("translation", "position of each frame"),
    ):
        group.add_argument(f"--{name}", metavar="SOURCE", help=f"{text}: {_SOURCE}")
    _add_unit(group)
    group.add_argument(
        "--layer", metavar="SOURCE", help="height of each frame, where there are several layers"
    )


def _add_unit(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--position-unit",
        choices=("m", "mm", "um", "nm"),
        help="of positions (default: what headers say behind their numbers)",
    )


def _add_order(group: argparse._ActionsContainer, steps: str) -> None:
    group.add_argument("--zigzag", action="store_true", help="every second line ran backwards")
    group.add_argument(
        "--partial", action="store_true", help="the scan is unfinished: the last places have no frames yet"
    )
    group.add_argument("--step", metavar="STEP", help=f"from place to place, in mm or with a unit: {steps}")


def scan_files(args: argparse.Namespace) -> list[str]:
    """Return the files that these options name, which the output must not replace."""
    from aureole.io.scalars import file_of

    named = [getattr(args, name, None) for name in ("x", "y", "rotation", "translation", "layer")]
    files = [file_of(source) for source in named if source is not None]
    angles = getattr(args, "angles", None)
    if angles is not None and not _RANGE.fullmatch(angles):
        files.append(file_of(angles) or angles)
    return [file for file in files if file is not None]


def expected_frames(args: argparse.Namespace) -> int | None:
    """Return how many places ``--shape`` has; None without it, or if it cannot be read."""
    if args.shape is None or not _COUNTS.fullmatch(args.shape):
        return None
    return prod(map(int, args.shape.split(",")))


def read_map_scan(args: argparse.Namespace, frames: Frames) -> Scan:
    """Return the scan that the options of `add_map_scan` mean; axes "y", "x", or one of them, or "point".

    Raises
    ------
    InputError
        Options that are missing or contradict each other, or frames that do not match them.
    """
    from aureole.mapping.positions import scattered
    from aureole.mapping.scan import raster

    sources = {name: source for name in ("y", "x") if (source := getattr(args, name)) is not None}
    if args.scattered and len(sources) < 2:
        raise SpecError("--scattered needs --x and --y")
    if sources:
        _refuse(args, ("fast", "zigzag", "partial", "step"), sources)
        if args.scattered:
            _refuse(args, ("shape",), ("scattered",))
            y, x = _columns(sources, frames, args.position_unit)
            return scattered(y, x, absent=_absent((y, x)))
        return _from_positions(args.shape, sources, frames, args.position_unit)
    if args.shape is None:
        raise SpecError("where the frames were is not known: give --shape ROWS,COLUMNS, or --x and --y")
    shape = _counts(args.shape, (1, 2), "ROWS,COLUMNS")
    names = ("y", "x")[-len(shape) :]
    axes = _evenly(names, shape, args.step)
    return raster(axes, len(frames), fast=args.fast, zigzag=args.zigzag, partial=args.partial)


def read_xrdct_scan(args: argparse.Namespace, frames: Frames) -> Scan:
    """Return the scan that the options of `add_xrdct_scan` mean; axes ("z",) "rotation" (°), "translation".

    Raises
    ------
    InputError
        Options that are missing or contradict each other, or frames that do not match them.
    """
    from aureole.mapping.scan import ScanAxis, raster

    given = {"z": args.layer, "rotation": args.rotation, "translation": args.translation}
    sources = {name: source for name, source in given.items() if source is not None}
    if sources:
        if not {"rotation", "translation"} <= set(sources):
            raise SpecError("--rotation and --translation are needed together; --layer goes with them")
        _refuse(args, ("order", "zigzag", "interlaced", "angles", "partial", "step"), sources)
        return _from_positions(args.shape, sources, frames, args.position_unit)
    if args.shape is None:
        raise SpecError(
            "where the frames were is not known: give --shape ANGLES,TRANSLATIONS, or --rotation and "
            "--translation"
        )
    shape = _counts(args.shape, (2, 3), "ANGLES,TRANSLATIONS or LAYERS,ANGLES,TRANSLATIONS")
    lateral = _evenly(("z", "translation")[-len(shape) + 1 :], (*shape[:-2], shape[-1]), args.step)
    rotation = ScanAxis("rotation", _angles(args.angles, shape[-2]), "deg")
    return raster(
        (*lateral[:-1], rotation, lateral[-1]),
        len(frames),
        fast="rotation" if args.order == "rotation-first" else "translation",
        zigzag=args.zigzag,
        interlaced=1 if args.interlaced is None else args.interlaced,
        partial=args.partial,
    )


def _refuse(args: argparse.Namespace, names: Sequence[str], because: Sequence[str] | dict[str, str]) -> None:
    """Refuse options that positions make meaningless."""
    for name in names:
        if getattr(args, name) not in (None, False):
            options = " and ".join(f"--{'layer' if other == 'z' else other}" for other in because)
            raise SpecError(f"--{name} has no use with {options}, which say where each frame was")


def _columns(sources: dict[str, str], frames: Frames, unit: str | None) -> list[ScanAxis]:
    from aureole.io import read_positions
    from aureole.mapping.scan import ScanAxis

    return [
        ScanAxis(name, read_positions(source, frames), _unit(name, source, frames, unit))
        for name, source in sources.items()
    ]


def _unit(name: str, source: str, frames: Frames, given: str | None) -> str:
    """Return the unit of positions: that given, or that which a header has behind its number."""
    from aureole.errors import FrameError

    if name == "rotation":
        return "deg"
    if given is not None:
        return given
    try:
        found = re.search(r"\s(m|mm|um|nm)$", frames.header(0).get(source, "").strip())
    except FrameError:
        return ""
    return found[1] if found else ""


def _absent(columns: Sequence[ScanAxis]) -> set[int]:
    """Return the frames that `read_positions` let pass without position."""
    import numpy as np

    return {int(frame) for column in columns for frame in np.flatnonzero(np.isnan(column.values))}


def _from_positions(shape: str | None, sources: dict[str, str], frames: Frames, unit: str | None) -> Scan:
    from aureole.mapping.positions import from_positions

    lengths = None if shape is None else _counts(shape, (len(sources),), ",".join(sources).upper())
    columns = _columns(sources, frames, unit)
    return from_positions(columns, shape=lengths, absent=_absent(columns))


def _counts(text: str, ranks: Sequence[int], wanted: str) -> tuple[int, ...]:
    from aureole.mapping.scan import MOST_PLACES

    counts = tuple(map(int, text.split(","))) if _COUNTS.fullmatch(text) else ()
    if len(counts) not in ranks:
        raise SpecError(f"--shape {text}: wanted is {wanted}, numbers from 1 with commas between them")
    if prod(counts) > MOST_PLACES:
        raise SpecError(f"--shape {text}: {prod(counts):,} places are more than {MOST_PLACES:,}")
    return counts


def _evenly(names: Sequence[str], shape: Sequence[int], step: str | None) -> list[ScanAxis]:
    """Return axes with even steps; places are counted from 0 where the step is not known."""
    import numpy as np

    from aureole.mapping.scan import ScanAxis

    steps, unit = [1.0] * len(shape), "steps"
    if step is not None:
        match = _STEP.fullmatch(step.strip())
        sizes = [float(size) for size in match.group(1, 2) if size is not None] if match else []
        if (
            match is None
            or len(sizes) > len(shape)
            or not all(0 < abs(size) <= _LARGEST_STEP for size in sizes)
        ):
            raise SpecError(
                f"--step {step}: wanted is one step, or one for each of {', '.join(names)}, in mm or with a "
                "unit (m, mm, um, nm) behind it, such as 0.05mm"
            )
        steps, unit = (
            (sizes * len(shape))[: len(shape)],
            (match[3] or "mm").replace("μ", "u").replace("µ", "u"),
        )
    return [
        ScanAxis(name, size * np.arange(count, dtype=np.float64), unit)
        for name, count, size in zip(names, shape, steps, strict=True)
    ]


def _angles(text: str | None, count: int) -> NDArray[np.float64]:
    """Return the angles of all rotations in degrees."""
    import numpy as np

    from aureole.io import read_numbers

    if text is None:
        return np.arange(count, dtype=np.float64) * (_HALF_TURN / count)
    match = _RANGE.fullmatch(text)
    angles: NDArray[np.float64] = (
        read_numbers(text) if match is None else np.linspace(float(match[1]), float(match[2]), count)
    )
    if len(angles) != count:
        raise SpecError(
            f"--angles {text}: has {len(angles)} angles for {count} rotations (--rotation takes one for each "
            "frame)"
        )
    if count > 1 and np.ptp(angles) == 0:
        raise SpecError(f"--angles {text}: all angles are {angles[0]:g}°, the sample was not turned")
    return angles
