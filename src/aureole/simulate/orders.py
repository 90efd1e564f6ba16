"""In which order a scan visits its points, and where each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError

Order = Literal["translation-first", "rotation-first"]
F64 = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Path:
    """The way through a grid of (slow, fast) points, layer by layer.

    Attributes
    ----------
    layer, slow, fast : ndarray of int, shape (frames,)
        Which point each frame is.
    backward : ndarray of bool, shape (frames,)
        Whether the fast axis ran backwards.
    """

    layer: Ints
    slow: Ints
    fast: Ints
    backward: NDArray[np.bool_]


MOST_FRAMES = 10**7
"""No disk holds the frames of a larger scan."""


def path(layers: int, slow: int, fast: int, *, zigzag: bool = False, interlaced: int = 1) -> Path:
    """Return the way through a grid: all of the fast axis at each place of the slow one.

    Parameters
    ----------
    layers, slow, fast : int
        Numbers of points.
    zigzag : bool
        Every second line of the fast axis, counted through all layers, runs backwards.
    interlaced : int
        The slow axis is visited in so many passes: 0, N, 2N..., then 1, N + 1...

    Raises
    ------
    SpecError
        Fewer than one point or pass, or more passes than there are places.
    """
    if min(layers, slow, fast) < 1:
        raise SpecError(f"a scan of {layers} x {slow} x {fast} points: each number must be at least one")
    if not 1 <= interlaced <= slow:
        raise SpecError(f"{interlaced} interlaced passes over {slow} places; give 1 to {slow}")
    visited = np.concatenate([np.arange(first, slow, interlaced) for first in range(interlaced)])
    lines = np.tile(np.arange(fast), (layers * slow, 1))
    backward = np.zeros((layers * slow, fast), np.bool_)
    if zigzag:
        lines[1::2] = lines[1::2, ::-1]
        backward[1::2] = True
    return Path(
        np.repeat(np.arange(layers), slow * fast),
        np.tile(np.repeat(visited, fast), layers),
        lines.reshape(-1),
        backward.reshape(-1),
    )


def heights(layers: int) -> F64:
    """Return where layers are in a phantom, from -1 to 1."""
    return np.asarray((2.0 * np.arange(layers) + 1.0) / layers - 1.0)
