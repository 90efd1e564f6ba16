"""Maps: a thin sample rastered through a pencil beam."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.simulate.orders import MOST_FRAMES, Path, heights, path
from aureole.simulate.phantom import WITHIN, Phantom

F64 = NDArray[np.float64]

_MARGIN = 0.95
"""The sample's radius over half of the raster, along each axis."""


@dataclass(frozen=True, kw_only=True)
class MapScan:
    """A thin sample rastered in transmission through a pencil beam as wide as a step.

    Attributes
    ----------
    rows, columns : int
        Numbers of points along y and x; the sample is as wide and as high as the raster.
    layers : int
        Numbers of layers, such as sections of one body, measured one after the other.
    zigzag : bool
        Every second row runs backwards.
    continuous : bool
        x moves during the exposure; a frame is said to be in the middle of its step.
    interlaced : int
        Passes over the rows.
    backlash : float
        By how many steps x is off while it runs backwards.
    step : float
        In mm.

    Raises
    ------
    SpecError
        Numbers that cannot be.
    """

    rows: int
    columns: int
    layers: int = 1
    zigzag: bool = False
    continuous: bool = False
    interlaced: int = 1
    backlash: float = 0.0
    step: float = 0.05

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 2:
            raise SpecError(f"a map has two rows and two columns at least, not {self.rows} x {self.columns}")
        if self.layers * self.rows * self.columns > MOST_FRAMES:
            raise SpecError(f"a map of {self.layers} x {self.rows} x {self.columns} frames")
        if not (np.isfinite(self.backlash) and 0.0 < self.step < np.inf):
            raise SpecError("backlash must be a finite number of steps, the step a length in mm")
        _ = self.path

    @cached_property
    def path(self) -> Path:
        """The way through the points."""
        return path(self.layers, self.rows, self.columns, zigzag=self.zigzag, interlaced=self.interlaced)

    @property
    def positions(self) -> dict[str, F64]:
        """Where the motors stood for each frame, in mm."""
        way = self.path
        found = {
            name: np.asarray(at * self.step, np.float64) for name, at in (("y", way.slow), ("x", way.fast))
        }
        if self.layers > 1:
            found["z"] = np.asarray(way.layer * self.step, np.float64)
        return found

    @property
    def rotation(self) -> F64:
        """Angle of each frame in degrees: the sample is not turned."""
        return np.zeros(len(self.path.slow))

    @property
    def turning(self) -> F64:
        """By how many degrees the sample turns during each exposure."""
        return np.zeros(len(self.path.slow))

    def lengths(self, phantom: Phantom) -> Iterator[F64]:
        """Yield fractions times a thickness of one step, (phases, frames), at places within the beam."""
        shift = self.backlash * self.path.backward
        moves = WITHIN if self.continuous else (0.0,)
        layers = heights(self.layers)
        for dy, dx, moved in product(WITHIN, WITHIN, moves):
            x = (self.path.fast + shift + dx + moved - (self.columns - 1) / 2) / (_MARGIN * self.columns / 2)
            y = (self.path.slow + dy - (self.rows - 1) / 2) / (_MARGIN * self.rows / 2)
            found = np.empty((len(phantom.phases), len(x)))
            for layer, z in enumerate(layers):
                of = self.path.layer == layer
                found[:, of] = phantom.fractions(x[of], y[of], z)
            yield found

    def overlap(self, x: F64, y: F64, frame: int) -> F64:
        """Return how much the beam of a frame hits grains at x, y (steps from the middle), 0 to 1."""
        at = self.path.fast[frame] + self.backlash * self.path.backward[frame] - (self.columns - 1) / 2
        row = self.path.slow[frame] - (self.rows - 1) / 2
        moves = WITHIN if self.continuous else np.zeros(1)
        across = np.mean([np.abs(x - at - moved) < 0.5 for moved in moves], axis=0)
        return np.asarray(across * (np.abs(y - row) < 0.5))

    def truth(self, phantom: Phantom) -> F64:
        """Return the mean fractions of voxels, (phases, z, y, x)."""
        counts = self.columns, self.rows
        x, y = (np.asarray((np.arange(n) - (n - 1) / 2) / (_MARGIN * n / 2), np.float64) for n in counts)
        return np.stack([phantom.voxels(x, y, z) for z in heights(self.layers)], axis=1)
