"""Patterns on their way to the places of a scan, one layer after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from aureole.mapping.scan import Scan
from aureole.runs.parts import Rows

F32 = NDArray[np.float32]


class Layers:
    """Takes rows of frames, in any order, and gives layers as soon as they are complete.

    A layer is what belongs together: the places of one z, or all of them where a scan has no z. Only layers
    that are begun and not given yet are in memory.

    Parameters
    ----------
    scan : Scan
    bins : int
        Of a pattern.
    sigma : bool
        Whether there are errors.

    Attributes
    ----------
    shape : tuple of int
        Of the places of a layer.
    count : int
        How many layers there are.
    """

    def __init__(self, scan: Scan, bins: int, *, sigma: bool) -> None:
        layered = len(scan.axes) > 1 and scan.axes[0].name == "z"
        self.shape = scan.index.shape[1:] if layered else scan.index.shape
        self.count = scan.index.shape[0] if layered else 1
        index = scan.index.reshape(self.count, -1)
        self._places = np.full(scan.frames, -1, np.intp)
        used = index >= 0
        self._places[index[used]] = np.flatnonzero(used)
        self._size = index.shape[1]
        self._waiting = used.sum(axis=1)
        self._bins, self._sigma = bins, sigma
        self._begun: dict[int, tuple[F32, F32 | None]] = {}

    def put(self, rows: Rows) -> Iterator[tuple[int, F32, F32 | None]]:
        """Take rows, and yield each layer that is complete by them: number, intensity and sigma.

        Both are of shape (*shape, bins), NaN where no frame is or was done.
        """
        places = self._places[rows.frames.start : rows.frames.stop]
        for layer in np.unique(places[places >= 0] // self._size):
            mine = np.flatnonzero((places >= 0) & (places // self._size == layer))
            at = places[mine] - layer * self._size
            if int(layer) not in self._begun:
                self._begun[int(layer)] = self._empty()
            intensity, sigma = self._begun[int(layer)]
            intensity[at] = rows.intensity[mine]
            if sigma is not None and rows.sigma is not None:
                sigma[at] = rows.sigma[mine]
            self._waiting[layer] -= len(mine)
            if not self._waiting[layer]:
                yield self._given(int(layer))

    def empty(self) -> Iterator[tuple[int, F32, F32 | None]]:
        """Yield the layers that no frame belongs to; before any rows are put."""
        for layer in np.flatnonzero(self._waiting == 0):
            yield self._given(int(layer))

    def _given(self, layer: int) -> tuple[int, F32, F32 | None]:
        intensity, sigma = self._begun.pop(layer) if layer in self._begun else self._empty()
        shape = (*self.shape, self._bins)
        return layer, intensity.reshape(shape), None if sigma is None else sigma.reshape(shape)

    def _empty(self) -> tuple[F32, F32 | None]:
        shape = (self._size, self._bins)
        empty = np.full(shape, np.nan, np.float32)
        return empty, empty.copy() if self._sigma else None
