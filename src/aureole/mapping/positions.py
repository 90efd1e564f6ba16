"""Scans from the positions of their frames: grids found in what encoders say, and scattered points."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.mapping.grid import Reading, best, of_length, readings_of, strays
from aureole.mapping.scan import MOST_PLACES, Scan, ScanAxis, count_of, listed


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
    lost = _without(present, frames)
    notes = _lost_notes(lost)
    values, readings = _read(columns, present, tolerance)
    if shape is not None:
        stray = strays(readings, values, shape)
        if stray.any():
            off = tuple(int(frame) for frame in present[stray])
            lost = tuple(sorted((*lost, *off)))
            notes.append(f"{count_of(len(off), 'frame')} off the grid, not used: {listed(map(str, off))}")
            present = present[~stray]
            values, readings = _read(columns, present, tolerance)
        readings = [
            of_length(name, found, length) for name, found, length in zip(names, readings, shape, strict=True)
        ]
    chosen = best(readings, values, sure=shape is not None or bool(tolerance))
    if chosen is None:
        raise SpecError(_no_grid(names, values))
    axes, labels = [], []
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
    index, repeated, more = _placed(axes, labels, present)
    return Scan(tuple(axes), index, frames, repeated, lost, (*notes, *more))


def _read(
    columns: Sequence[ScanAxis], present: NDArray[np.intp], tolerance: Mapping[str, float] | None
) -> tuple[list[NDArray[np.float64]], list[list[Reading]]]:
    values = [column.values[present] for column in columns]
    return values, [
        readings_of(column.name, found, (tolerance or {}).get(column.name))
        for column, found in zip(columns, values, strict=True)
    ]


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


def _no_grid(names: Sequence[str], values: Sequence[NDArray[np.float64]]) -> str:
    counts = (f"{len(np.unique(found))} of {name}" for name, found in zip(names, values, strict=True))
    return (
        f"the positions of {count_of(len(values[0]), 'frame')} are not on a grid, or on one less than half "
        f"measured (different ones: {', '.join(counts)}): give the shape of the scan with them; or the shape "
        "and the order of the frames instead; or take a map as scattered points (--scattered)"
    )


def _placed(
    axes: list[ScanAxis], labels: list[NDArray[np.intp]], present: NDArray[np.intp]
) -> tuple[NDArray[np.intp], tuple[int, ...], list[str]]:
    """Return the frame of each place, the frames that were superseded, and what to say of both."""
    shape = tuple(len(axis.values) for axis in axes)
    if prod(shape) > MOST_PLACES:
        raise SpecError(f"the positions are those of a scan of {' x '.join(map(str, shape))} places")
    where = np.ravel_multi_index(labels, shape)
    index = np.full(prod(shape), -1, np.intp)
    np.maximum.at(index, where, present)
    notes = []
    empty = np.flatnonzero(index < 0)
    if len(empty):
        texts = (_place_text(axes, np.unravel_index(place, shape)) for place in empty)
        notes.append(f"{count_of(len(empty), 'place')} without a frame: {listed(texts, '; ')}")
    superseded = index[where] != present
    repeated = tuple(int(frame) for frame in present[superseded])
    if repeated:
        which = listed(f"{old} by {index[at]}" for old, at in zip(repeated, where[superseded], strict=True))
        notes.append(f"{count_of(len(repeated), 'frame')} repeated, the last is used: {which}")
    return index.reshape(shape), repeated, notes


def _place_text(axes: Sequence[ScanAxis], place: Sequence[np.intp]) -> str:
    return ", ".join(f"{axis.name} {axis.values[at]:g}" for axis, at in zip(axes, place, strict=True))


def _without(present: NDArray[np.intp], frames: int) -> tuple[int, ...]:
    return tuple(int(frame) for frame in np.setdiff1d(np.arange(frames), present))


def _lost_notes(lost: Sequence[int]) -> list[str]:
    return [f"{count_of(len(lost), 'frame')} without position: {listed(map(str, lost))}"] if lost else []
