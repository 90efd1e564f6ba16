"""Scans from the positions of their frames: grids found in what encoders say, and scattered points."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product as combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.mapping.scan import MOST_PLACES, Scan, ScanAxis, count_of, listed

_NOISE = 1e-9
"""Differences below this fraction of the largest position are of floating point."""
_JUMP = 1.5
"""Gaps of one kind differ by less than this factor from the next smaller one."""
_CLEAR = 0.75
"""A place is no wider than this fraction of the gaps beside it."""
_MOST_READINGS = 32
_EVEN = 0.25
"""How far a step may be from a multiple of the usual step, as a fraction of that."""
_FILLED = 0.5
"""Less than this fraction of a grid filled with frames is taken for no grid."""


class _Reading:
    """One way to read the positions of an axis as places: those with no gap between them are one place.

    Parameters
    ----------
    ordered : ndarray, shape (n,)
        Positions, sorted.
    cuts : ndarray of intp
        Where a new place begins.
    """

    def __init__(self, ordered: NDArray[np.float64], cuts: NDArray[np.intp]) -> None:
        starts = np.concatenate([np.zeros(1, np.intp), cuts])
        ends = np.concatenate([cuts - 1, np.array([len(ordered) - 1])])
        self.low, self.high = ordered[starts], ordered[ends]
        offsets = ordered - np.repeat(self.low, ends - starts + 1)
        # relative to the lowest, so that equal positions give exactly that position
        self.centres = self.low + np.add.reduceat(offsets, starts) / (ends - starts + 1)
        self.count = len(starts)

    @property
    def clear(self) -> bool:
        """Whether places are narrow against the gaps between them."""
        narrowest = float(np.min(self.low[1:] - self.high[:-1]))
        return float(np.max(self.high - self.low)) <= _CLEAR * narrowest

    @property
    def even(self) -> bool:
        """Whether no step is far below the usual one, as noise within a place would make it."""
        steps = np.diff(self.centres)
        return float(np.min(steps)) >= _EVEN * _usual(steps)

    def labels(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the place of each position."""
        return np.searchsorted(self.low, values, side="right") - 1

    def steps(self) -> NDArray[np.intp]:
        """Return how many steps each place is from the first: of an even grid, those of lost lines count."""
        gaps = np.diff(self.centres)
        times = np.rint(gaps / _usual(gaps))
        off = np.abs(gaps - times * _usual(gaps))
        if np.min(times) < 1 or np.max(off) > _EVEN * _usual(gaps) or np.sum(times) >= 2 * self.count:
            times = np.ones_like(gaps)
        return np.concatenate([np.zeros(1), np.cumsum(times)]).astype(np.intp)


def from_positions(
    columns: Sequence[ScanAxis],
    *,
    shape: Sequence[int] | None = None,
    tolerance: Mapping[str, float] | None = None,
    absent: Collection[int] = (),
) -> Scan:
    """Find the grid on which frames were taken, and put each frame into its place.

    In which order frames were taken does not matter. Positions of one place may differ (encoders, backlash)
    as long as they are clearly nearer to each other than to those of the next place. Angles are taken as they
    are: 0° and 360° are two places. Lines of an otherwise even grid that have no frame at all are kept empty,
    but for the first and the last ones, of which nothing is known. Of frames at one place the last is used.

    Parameters
    ----------
    columns : sequence of ScanAxis
        Slow to fast, as the result has them; the values are those of each frame.
    shape : sequence of int, optional
        Number of places along each axis, where it is known.
    tolerance : mapping of str to float, optional
        For axes by name: positions that are not farther apart than this are of one place.
    absent : collection of int
        Frames that cannot be had; they alone may be without position.

    Returns
    -------
    Scan

    Raises
    ------
    SpecError
        Columns of different lengths, a position that is not finite, an axis that did not move, positions on
        no grid or on one of another shape.
    """
    frames, present = _checked(columns, absent)
    names = [column.name for column in columns]
    if shape is not None and len(shape) != len(columns):
        raise SpecError(f"a shape of {len(shape)} numbers for positions of {', '.join(names)}")
    values = [column.values[present] for column in columns]
    readings = [
        _readings(column.name, found, (tolerance or {}).get(column.name))
        for column, found in zip(columns, values, strict=True)
    ]
    if shape is not None:
        readings = [
            _of_length(name, found, length)
            for name, found, length in zip(names, readings, shape, strict=True)
        ]
    chosen = _best(readings, values, sure=shape is not None or bool(tolerance))
    if chosen is None:
        raise SpecError(_no_grid(names, values))
    axes, labels, notes = [], [], []
    for place, (column, reading) in enumerate(zip(columns, chosen, strict=True)):
        steps = reading.steps()
        if shape is not None and reading.count == shape[place]:
            steps = np.arange(reading.count)
        centres = np.interp(np.arange(steps[-1] + 1), steps, reading.centres)
        axes.append(ScanAxis(column.name, centres, column.unit))
        labels.append(steps[reading.labels(values[place])])
        empty = np.delete(centres, steps)
        if len(empty):
            where = listed(f"{value:g}" for value in empty)
            notes.append(f"no frame was taken at {column.name} = {where}, where a line of the grid should be")
    return _placed(axes, labels, present, frames, notes)


def scattered(y: ScanAxis, x: ScanAxis, *, absent: Collection[int] = ()) -> Scan:
    """Take each frame as a point of its own.

    Parameters
    ----------
    y, x : ScanAxis
        Positions of each frame.
    absent : collection of int
        Frames that cannot be had; they alone may be without position.

    Returns
    -------
    Scan
        With one axis, ``"point"``, and with `Scan.points`.

    Raises
    ------
    SpecError
        Columns of different lengths, a position that is not finite, or points that are all the same.
    """
    frames, present = _checked((y, x), absent)
    points = np.stack([y.values[present], x.values[present]], axis=1)
    if (points == points[:1]).all():
        raise SpecError(f"{y.name} and {x.name} did not move: all points are the same")
    axis = ScanAxis("point", np.arange(float(len(present))))
    lost = _without(present, frames)
    return Scan((axis,), present, frames, (), lost, tuple(_lost_notes(lost)), points)


def _checked(columns: Sequence[ScanAxis], absent: Collection[int]) -> tuple[int, NDArray[np.intp]]:
    """Return the number of frames, and which of them have a position."""
    lengths = {column.name: column.values.shape for column in columns}
    if len(lengths) < len(columns) or not columns:
        raise SpecError(f"positions of axes of different names are needed, not of {', '.join(lengths)}")
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        texts = (f"{name} has {'x'.join(map(str, shape))}" for name, shape in lengths.items())
        raise SpecError(f"one position for each frame is needed: {', '.join(texts)}")
    frames = len(columns[0].values)
    finite = np.ones(frames, np.bool_)
    excused = frozenset(absent)
    for column in columns:
        fine = np.isfinite(column.values)
        finite &= fine
        for frame in np.flatnonzero(~fine):
            if int(frame) not in excused:
                raise SpecError(f"frame {frame} has no position: {column.name} is {column.values[frame]}")
    if not finite.any():
        raise SpecError("no frame has a position")
    return frames, np.flatnonzero(finite)


def _readings(name: str, values: NDArray[np.float64], tolerance: float | None) -> list[_Reading]:
    """Return the ways to read positions as places, few places first."""
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    noise = _NOISE * float(np.max(np.abs(ordered)))
    if len(gaps) == 0 or ordered[-1] - ordered[0] <= noise:
        raise SpecError(f"{name} did not move: it is {ordered[0]:g} for all frames")
    if tolerance is not None:
        thresholds = [tolerance]
    else:
        sizes = np.sort(gaps[gaps > noise])[::-1]
        jumps = [int(place) for place in np.flatnonzero(sizes[:-1] > _JUMP * sizes[1:])]
        thresholds = [float(sizes[place + 1]) for place in jumps[:_MOST_READINGS]] + [noise]
    found = []
    for threshold in thresholds:
        cuts = np.flatnonzero(gaps > threshold) + 1
        if len(cuts):
            found.append(_Reading(ordered, cuts))
    if not found:
        raise SpecError(f"{name} did not move by more than the tolerance, {tolerance:g}")
    return found if tolerance is not None else [reading for reading in found if reading.clear]


def _usual(steps: NDArray[np.float64]) -> float:
    """Return the lower median, which is a step that was made."""
    return float(np.sort(steps)[(len(steps) - 1) // 2])


def _of_length(name: str, readings: list[_Reading], length: int) -> list[_Reading]:
    fitting = [reading for reading in readings if length in (reading.count, int(reading.steps()[-1]) + 1)]
    if not fitting:
        counts = sorted({reading.count for reading in readings})
        have = f"are at {' or '.join(map(str, counts))} places" if counts else "are not on a grid"
        raise SpecError(f"the positions of {name} {have}, the shape says {length}")
    return fitting


def _best(
    readings: list[list[_Reading]], values: list[NDArray[np.float64]], *, sure: bool
) -> tuple[_Reading, ...] | None:
    """Choose the readings of all axes of which the fewest places are empty and the fewest frames repeated.

    Along a line each reading fills all its places: there the finest one is taken whose steps are alike.
    """
    frames = len(values[0])
    if len(readings) == 1:
        return next(((reading,) for reading in reversed(readings[0]) if sure or reading.even), None)

    def bound(chosen: tuple[_Reading, ...]) -> int:
        return abs(prod(reading.count for reading in chosen) - frames)

    best, lowest = None, -1
    for chosen in sorted(combinations(*readings), key=bound):
        if best is not None and bound(chosen) >= lowest:
            break
        places = prod(reading.count for reading in chosen)
        if places > MOST_PLACES:
            continue
        labels = [reading.labels(found) for reading, found in zip(chosen, values, strict=True)]
        filled = len(np.unique(np.ravel_multi_index(labels, [reading.count for reading in chosen])))
        cost = (places - filled) + (frames - filled)
        if (sure or filled >= _FILLED * places) and (best is None or cost < lowest):
            best, lowest = chosen, cost
    return best


def _no_grid(names: Sequence[str], values: Sequence[NDArray[np.float64]]) -> str:
    counts = (f"{len(np.unique(found))} of {name}" for name, found in zip(names, values, strict=True))
    return (
        f"the positions of {count_of(len(values[0]), 'frame')} are not on a grid, or on one less than half "
        f"measured (different ones: {', '.join(counts)}): give the shape of the scan with them; or the shape "
        "and the order of the frames instead; or take a map as scattered points (--scattered)"
    )


def _placed(
    axes: list[ScanAxis],
    labels: list[NDArray[np.intp]],
    present: NDArray[np.intp],
    frames: int,
    notes: list[str],
) -> Scan:
    shape = tuple(len(axis.values) for axis in axes)
    if prod(shape) > MOST_PLACES:
        raise SpecError(f"the positions are those of a scan of {' x '.join(map(str, shape))} places")
    where = np.ravel_multi_index(labels, shape)
    index = np.full(prod(shape), -1, np.intp)
    np.maximum.at(index, where, present)
    superseded = index[where] != present
    empty = np.flatnonzero(index < 0)
    if len(empty):
        texts = (_place_text(axes, np.unravel_index(place, shape)) for place in empty[:6])
        more = f" and {len(empty) - 6} more" if len(empty) > 6 else ""
        notes.append(f"{count_of(len(empty), 'place')} without a frame: {'; '.join(texts)}{more}")
    if superseded.any():
        pairs = zip(present[superseded], index[where[superseded]], strict=True)
        which = listed(f"{old} by {new}" for old, new in pairs)
        notes.append(f"{count_of(int(superseded.sum()), 'frame')} repeated, the last is used: {which}")
    lost = _without(present, frames)
    notes += _lost_notes(lost)
    repeated = tuple(int(frame) for frame in present[superseded])
    return Scan(tuple(axes), index.reshape(shape), frames, repeated, lost, tuple(notes))


def _place_text(axes: Sequence[ScanAxis], place: Sequence[np.intp]) -> str:
    return ", ".join(f"{axis.name} {axis.values[at]:g}" for axis, at in zip(axes, place, strict=True))


def _without(present: NDArray[np.intp], frames: int) -> tuple[int, ...]:
    return tuple(int(frame) for frame in np.setdiff1d(np.arange(frames), present))


def _lost_notes(lost: Sequence[int]) -> list[str]:
    return [f"{count_of(len(lost), 'frame')} without position: {listed(lost)}"] if lost else []
