"""What the mappings of virtual data sets select."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """What a mapping selects of a data set of images: the same rows and columns of some frames."""

    frames: Ints
    rows: Ints
    columns: Ints

    def __len__(self) -> int:
        """Number of pixels."""
        return len(self.frames) * len(self.rows) * len(self.columns)

    def first(self, count: int) -> Selection:
        """Return the same of the first frames."""
        return Selection(self.frames[:count], self.rows, self.columns)

    @property
    def region(self) -> tuple[Any, ...]:
        """Index of the rows and columns in an image; no copy is made where they lie together."""
        ranges = (_range(self.rows), _range(self.columns))
        return ranges if all(ranges) else np.ix_(self.rows, self.columns)

    def is_whole(self, shape: tuple[int, int]) -> bool:
        """Whether it takes frames of this shape as they are."""
        return (len(self.rows), len(self.columns)) == shape


def _range(places: Ints) -> slice | None:
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first + 1 == len(places) else None


def selection(space: Any, shape: tuple[int, ...]) -> Selection | None:
    """Return what is selected of a data set of images, in C order; None unless whole rectangles of frames."""
    lead = tuple(shape[:-2])
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        axes = [np.arange(length, dtype=np.int64) for length in shape]
    elif space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or space.get_simple_extent_ndims() != len(shape):
        return None
    elif space.is_regular_hyperslab():
        axes = [_along(*part) for part in zip(*space.get_regular_hyperslab(), shape, strict=True)]
    else:
        return _of_blocks(space.get_select_hyper_blocklist(), lead)
    return Selection(_ravelled(axes[:-2], lead), axes[-2], axes[-1])


def _along(start: int, stride: int, count: int, block: int, length: int) -> Ints:
    """Return the places that a hyperslab takes along an axis."""
    # An unlimited count ends where the data set does today.
    times = min(count, -(-max(length - start, 0) // max(stride, 1)))
    width = min(block, max(length - start, 0))
    taken = start + stride * np.arange(times, dtype=np.int64)[:, None] + np.arange(width, dtype=np.int64)
    inside: Ints = taken[taken < length]
    return inside


def _of_blocks(blocks: NDArray[Any], lead: tuple[int, ...]) -> Selection | None:
    """Join the blocks of a selection, given by their first and last corners."""
    corners = np.asarray(blocks, np.int64)
    if np.any(corners[:, :, -2:] != corners[:1, :, -2:]):
        return None
    low, high = corners[0]
    frames = [
        _ravelled([np.arange(a, b + 1) for a, b in zip(*pair, strict=True)][:-2], lead) for pair in corners
    ]
    return Selection(
        np.sort(np.concatenate(frames)), np.arange(low[-2], high[-2] + 1), np.arange(low[-1], high[-1] + 1)
    )


def _ravelled(axes: Sequence[Ints], lead: tuple[int, ...]) -> Ints:
    """Return the numbers of the frames at all combinations of places along the leading axes."""
    if not lead:
        return np.zeros(1, np.int64)
    grids = np.meshgrid(*axes, indexing="ij")
    return np.asarray(np.ravel_multi_index(tuple(grid.ravel() for grid in grids), lead), np.int64)


def has_no_limit(space: h5py.h5s.SpaceID) -> bool:
    """Whether a selection goes on as the data set grows: the library cannot count its elements."""
    return space.is_regular_hyperslab() and any(
        h5py.h5s.UNLIMITED in part for part in space.get_regular_hyperslab()[2:]
    )
