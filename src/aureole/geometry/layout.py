"""Where the sensitive pixels of a detector are: modules, gaps, seams, circles, wide pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.errors import GeometryError

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
Pair = tuple[int, int]
Seams = tuple[tuple[Pair, ...], tuple[Pair, ...]]

MOST_PIXELS = 1 << 28
_LONGEST_SIDE = 1 << 20
"""More than any detector has; a mask of more would fill the memory."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the face of a detector is divided, at its full resolution; all in pixels, (slow, fast).

    Attributes
    ----------
    module, gap : tuple of int, optional
        Size of a module and of the insensitive stripes between modules; a grid that starts at the first
        pixel.
    seams : tuple of two tuples
        Insensitive rows and columns within each module, between its wafers or chips: (first, behind the last)
        of each stripe, counted from the first pixel of the module.
    circle : bool
        Only the disc around the centre is sensitive.
    tiles : tuple of tuple of int
        First pixels of tiles of size `module` that are placed freely; everything else is insensitive.
    wide : float
        How many times wider than the others the pixels on both sides of an inner border between modules are.
    """

    module: Pair | None = None
    gap: Pair = (0, 0)
    seams: Seams = ((), ())
    circle: bool = False
    tiles: tuple[Pair, ...] = ()
    wide: float = 1.0

    def mask(self, shape: Pair, binning: Pair = (1, 1)) -> BoolArray:
        """Return the insensitive pixels, shape `shape`, True where insensitive; read-only.

        A binned pixel that holds one insensitive pixel counts as insensitive.
        """
        return _mask(self, shape, binning)

    def edges(self, axis: int, count: int, pixel: float) -> FloatArray:
        """Return the ``count + 1`` pixel borders along an axis in metres from the first one."""
        if self.wide == 1.0 or self.module is None:
            return np.arange(count + 1, dtype=np.float64) * pixel
        size = self.module[axis]
        widths = np.ones(count)
        for border in range(size, count // size * size, size):
            widths[border - 1 : border + 1] = self.wide
        borders = np.zeros(count + 1)
        np.cumsum(widths, out=borders[1:])
        return borders * pixel

    @staticmethod
    def from_dict(known: Mapping[str, Any]) -> Layout:
        """Return what `dataclasses.asdict` made of a layout, be it by way of JSON.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is no such thing.
        """
        return Layout(
            module=None if known["module"] is None else pair(known["module"]),
            gap=pair(known["gap"]),
            seams=checked_seams(known["seams"]),
            circle=bool(known["circle"]),
            tiles=tuple(pair(tile) for tile in known["tiles"]),
            wide=float(known["wide"]),
        )


def pair(given: Iterable[Any]) -> Pair:
    """Return two whole numbers that were read from a file; `ValueError` or `TypeError` where they are not."""
    first, second = given
    return int(first), int(second)


def checked_shape(name: str, shape: Any) -> Pair:
    """Return the number of pixels (slow, fast) of a detector.

    Raises
    ------
    GeometryError
        They are not two whole numbers from 1 on, or more than any detector has.
    """
    try:
        exact = pair(shape) == tuple(shape)
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact or min(shape) < 1:
        raise GeometryError(
            f"detector {name}: the shape must be two numbers of pixels (slow, fast), not {str(shape)[:60]}"
        )
    found = pair(shape)
    if max(found) > _LONGEST_SIDE or found[0] * found[1] > MOST_PIXELS:
        raise GeometryError(f"detector {name}: no detector has a shape of {str(found)[:60]} pixels")
    return found


def checked_seams(given: Iterable[Iterable[Iterable[int]]]) -> Seams:
    """Return the seams that were read from a file as they belong into a `Layout`."""
    rows, columns = (tuple((int(first), int(behind)) for first, behind in axis) for axis in given)
    return rows, columns


def _grid(layout: Layout, module: Pair, mask: BoolArray) -> None:
    for axis in (0, 1):
        along = np.moveaxis(mask, axis, 0)
        size, pitch = module[axis], module[axis] + layout.gap[axis]
        for start in range(0, along.shape[0], pitch):
            for first, behind in (*layout.seams[axis], (size, pitch)):
                along[start + first : start + behind] = True


@lru_cache(maxsize=8)
def _mask(layout: Layout, shape: Pair, binning: Pair) -> BoolArray:
    # a disc is defined on the binned pixels; everything else on the full resolution
    full = shape if layout.circle else (shape[0] * binning[0], shape[1] * binning[1])
    mask: BoolArray = np.zeros(full, dtype=np.bool_)
    if layout.circle:
        centre1, centre2 = full[0] // 2, full[1] // 2
        y = np.arange(full[0])[:, None] + 0.5 - centre1
        x = np.arange(full[1])[None, :] + 0.5 - centre2
        mask |= x * x + y * y > centre1**2
    elif layout.module is not None and layout.tiles:
        mask[:] = True
        for row, column in layout.tiles:
            mask[row : row + layout.module[0], column : column + layout.module[1]] = False
    elif layout.module is not None:
        _grid(layout, layout.module, mask)
    if mask.shape != shape:
        mask = np.any(mask.reshape(shape[0], binning[0], shape[1], binning[1]), axis=(1, 3))
    mask.setflags(write=False)
    return mask
