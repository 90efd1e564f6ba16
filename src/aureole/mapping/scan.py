"""Which frame was where: a scan, and how it follows from its shape and the order of its frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError

MOST_PLACES = 10**8
"""A shape of more places is a slip of the keyboard: no series has so many frames."""
_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class ScanAxis:
    """One direction of a scan.

    Attributes
    ----------
    name : str
        ``"z"``, ``"rotation"``, ``"translation"``, ``"y"``, ``"x"``, or ``"point"`` for scattered points.
    values : ndarray of float64, shape (n,)
        Where its places are.
    unit : str
        Of the values; empty where it is not known.
    """

    name: str
    values: NDArray[np.float64]
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Frames, and where the motors were.

    Attributes
    ----------
    axes : tuple of ScanAxis
        Slow to fast as results have them, whatever the order in which frames were taken; of scattered points
        one axis, ``"point"``.
    index : ndarray of intp, shape (len(axis.values) for each axis)
        Number of the frame that was taken there; -1 where there is none.
    frames : int
        How many frames the series has.
    repeated : tuple of int
        Frames that are not used, since a later one was taken at the same place.
    unplaced : tuple of int
        Frames that are not used, since they belong to no place.
    notes : tuple of str
        What the user should know: places without frame, frames that are not used; one line each.
    points : ndarray of float64, shape (n, 2), optional
        (y, x) of scattered points.
    """

    axes: tuple[ScanAxis, ...]
    index: NDArray[np.intp]
    frames: int
    repeated: tuple[int, ...] = ()
    unplaced: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    points: NDArray[np.float64] | None = None

    @property
    def missing(self) -> int:
        """Number of places without a frame."""
        return int(np.count_nonzero(self.index < 0))

    def describe(self) -> str:
        """Return one line, such as ``60 rotations x 90 translations, 3 missing, 1 repeated``."""
        named = (count_of(len(axis.values), _NOUNS.get(axis.name, axis.name)) for axis in self.axes)
        counts = {
            "missing": self.missing,
            "repeated": len(self.repeated),
            "not placed": len(self.unplaced),
        }
        return ", ".join([" x ".join(named), *(f"{n} {what}" for what, n in counts.items() if n)])


_NOUNS = {"z": "layer", "y": "row", "x": "column"}


def raster(
    axes: Sequence[ScanAxis],
    frames: int,
    *,
    fast: str | None = None,
    zigzag: bool = False,
    interlaced: int = 1,
    start: int = 0,
    partial: bool = False,
) -> Scan:
    """Place frames by the shape of a scan and the order in which they were taken.

    Parameters
    ----------
    axes : sequence of ScanAxis
        Slow to fast, in the order that the result has.
    frames : int
        How many frames the series has.
    fast : str, optional
        Name of the axis that runs fastest, the last one without it; the others keep their order.
    zigzag : bool
        Whether every second line along the fast axis ran backwards, counted through the whole scan.
    interlaced : int
        The rotation (without one, the axis whose steps come after each line) is visited in so many passes:
        with 3 passes its places 0, 3, 6, ..., then 1, 4, 7, ..., then 2, 5, 8, ...
    start : int
        Frames before this one do not belong to the scan.
    partial : bool
        The scan is unfinished: its last places have no frames.

    Returns
    -------
    Scan

    Raises
    ------
    SpecError
        The number of frames is not that of the places (with `partial`: is larger): nothing but the count is
        known, so any frame could be the one that is missing or too many. Or there is no such axis, an axis
        without places, or positions that are not finite.
    """
    shape = _checked_shape(axes)
    names = [axis.name for axis in axes]
    quick = len(axes) - 1 if fast is None else _place_of(fast, names)
    places, count = prod(shape), frames - start
    if start < 0 or count < 1:
        raise SpecError(f"the scan starts at frame {start} of {frames}")
    wanted = " x ".join(map(str, shape)) + (f" = {places}" if len(shape) > 1 else "")
    if count > places or (count < places and not partial):
        raise SpecError(_mismatch(count, wanted, fewer=count < places))
    in_time = [place for place in range(len(axes)) if place != quick] + [quick]
    woven = names.index("rotation") if "rotation" in names else in_time[-2:][0]
    if not 1 <= interlaced <= max(shape[woven], 1):
        raise SpecError(f"{interlaced} passes through {shape[woven]} places of {names[woven]}")
    order = _places_in_time(shape, in_time, zigzag=zigzag, passes={woven: interlaced})
    index = np.full(places, -1, np.intp)
    index[order[:count]] = np.arange(start, frames)
    notes = []
    if start:
        notes.append(f"the first {count_of(start, 'frame')} did not belong to the scan: not used")
    if count < places:
        notes.append(
            f"the scan is unfinished: {count} frames for {wanted} places, without the last {places - count}"
        )
    return Scan(tuple(axes), index.reshape(shape), frames, (), tuple(range(start)), tuple(notes))


def _checked_shape(axes: Sequence[ScanAxis]) -> tuple[int, ...]:
    names = [axis.name for axis in axes]
    if not axes or len(set(names)) < len(names):
        raise SpecError(f"a scan has one or more axes of different names, not {', '.join(names) or 'none'}")
    for axis in axes:
        if axis.values.ndim != 1 or not len(axis.values):
            raise SpecError(f"the axis {axis.name} has no places")
        if not np.isfinite(axis.values).all():
            place = int(np.argmin(np.isfinite(axis.values)))
            raise SpecError(f"place {place} of {axis.name} is at {axis.values[place]}, which is no position")
    shape = tuple(len(axis.values) for axis in axes)
    if prod(shape) > MOST_PLACES:
        raise SpecError(f"a scan of {' x '.join(map(str, shape))} places")
    return shape


def _place_of(name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise SpecError(f"the scan has no axis {name!r} that could run fastest; there are {', '.join(names)}")
    return names.index(name)


def _mismatch(count: int, wanted: str, *, fewer: bool) -> str:
    if fewer:
        return (
            f"{count} frames for {wanted} places: which are missing cannot be told from the number; give the "
            "positions of the frames, or --partial if the scan is unfinished and the last are missing"
        )
    return (
        f"{count} frames for {wanted} places: which are too many cannot be told from the number; check the "
        "shape, or give the positions of the frames"
    )


def _places_in_time(
    shape: tuple[int, ...], in_time: Sequence[int], *, zigzag: bool, passes: dict[int, int]
) -> NDArray[np.intp]:
    """Return the places (C order of `shape`) in the order in which the scan comes to them."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    visits = [strides[axis] * _visits(shape[axis], passes.get(axis, 1)) for axis in in_time]
    lines = np.zeros(1, np.intp)
    for visit in visits[:-1]:
        lines = (lines[:, None] + visit).reshape(-1)
    order = lines[:, None] + visits[-1]
    if zigzag:
        order[1::2] = order[1::2, ::-1]
    return order.reshape(-1)


def _visits(length: int, passes: int) -> NDArray[np.intp]:
    """Return the places of one axis in the order in which so many passes come to them."""
    return np.concatenate([np.arange(first, length, passes, dtype=np.intp) for first in range(passes)])


def count_of(number: int, noun: str) -> str:
    """Return ``1 frame`` or ``2 frames``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(items: Iterable[str], mark: str = ", ") -> str:
    """Return a few of many texts, and how many more there are."""
    taken = iter(items)
    text = mark.join(islice(taken, _SHOWN))
    more = sum(1 for _ in taken)
    return f"{text} and {more} more" if more else text
