"""A binned coordinate: unit, number of bins, range."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.units import Unit, unit

EPS32 = float(np.finfo(np.float32).eps)


def _upper_bound(highest: float) -> float:
    """Move the upper end outwards by one part in 2^23, so that the highest value lies inside the last bin."""
    return highest * (1.0 + EPS32) if highest > 0.0 else highest / (1.0 + EPS32)


@dataclass(frozen=True, slots=True)
class Axis:
    """A coordinate along which intensity is collected.

    Parameters
    ----------
    unit : str
        Name of the unit, see `aureole.units`.
    bins : int, optional
        Number of bins; without it the axis restricts what is taken (by its range) and is not binned.
    range : tuple of float, optional
        Lowest and highest value, in the unit; without it the extent of the data.

    Raises
    ------
    SpecError
        Unknown unit, fewer than one bin, or a range that is not two finite numbers in rising order.
    """

    unit: str
    bins: int | None = None
    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        known = unit(self.unit)
        object.__setattr__(self, "unit", known.name)
        if self.bins is not None:
            object.__setattr__(self, "bins", _checked_bins(self.unit, self.bins))
        if self.range is not None:
            object.__setattr__(self, "range", _checked_range(known, self.range))
            self._check_width()
        elif self.bins is None:
            raise SpecError(f"axis {self.unit} has neither bins nor a range: give one of them")

    def _check_width(self) -> None:
        """Refuse bins so wide or so narrow that their width, or its inverse, is no number."""
        assert self.range is not None
        width = (_upper_bound(self.range[1]) - self.range[0]) / (self.bins or 1)
        if not (isfinite(width) and width > 0.0 and isfinite(1.0 / width)):
            raise SpecError(f"axis {self.unit}: {self.range[0]} to {self.range[1]} is no range for bins")

    @property
    def definition(self) -> Unit:
        """What the unit means."""
        return unit(self.unit)

    def resolve(self, lo: float, hi: float) -> tuple[float, float]:
        """Return the lower edge of the first bin and the upper edge of the last one.

        Parameters
        ----------
        lo, hi : float
            Extent of the data in the unit; used where the axis has no range of its own. A coordinate that
            cannot be negative starts at zero at the lowest, although the box around a pixel may reach below.

        Returns
        -------
        tuple of float
            ``(min, max * (1 + ε₃₂))``: the bins are half open, and the highest value shall fall into the
            last.

        Raises
        ------
        SpecError
            The axis has no range and the data have no finite extent.
        """
        if self.range is not None:
            return self.range[0], _upper_bound(self.range[1])
        if not (isfinite(lo) and isfinite(hi)):
            raise SpecError(f"axis {self.unit}: the data reach from {lo} to {hi}; give a finite range")
        if self.definition.positive:
            lo = max(lo, 0.0)
        upper = _upper_bound(hi)
        if upper <= lo:
            raise SpecError(f"axis {self.unit}: the data have no extent (from {lo} to {hi}); give a range")
        return lo, upper

    def edges(self, lo: float, hi: float) -> NDArray[np.float64]:
        """Return the ``bins + 1`` edges between `lo` and `hi`, which are as `resolve` returned them."""
        count = self._count()
        return np.asarray(lo + np.arange(count + 1) * ((hi - lo) / count), dtype=np.float64)

    def centres(self, lo: float, hi: float) -> NDArray[np.float64]:
        """Return the centres of the bins between `lo` and `hi`, which are as `resolve` returned them."""
        count = self._count()
        return np.asarray(lo + (np.arange(count) + 0.5) * ((hi - lo) / count), dtype=np.float64)

    def _count(self) -> int:
        if self.bins is None:
            raise SpecError(f"axis {self.unit} has no bins: it only restricts the range")
        return self.bins


def _checked_bins(name: str, bins: object) -> int:
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer):
        raise SpecError(f"axis {name}: the number of bins must be a whole number, not {bins!r}")
    if bins < 1:
        raise SpecError(f"axis {name}: at least one bin is needed, not {bins}")
    return int(bins)


def _checked_range(known: Unit, given: object) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in given)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise SpecError(f"axis {known.name}: the range must be two numbers, not {given!r}") from None
    if not (isfinite(low) and isfinite(high)):
        raise SpecError(f"axis {known.name}: the range must be finite, not {low} to {high}")
    if low >= high:
        raise SpecError(f"axis {known.name}: the range is empty, {low} to {high}: give the lower end first")
    if known.positive and high <= 0.0:
        raise SpecError(f"axis {known.name}: no value lies in {low} to {high}, it cannot be negative")
    if known.period is not None and high - low > known.period * (1.0 + EPS32):
        raise SpecError(f"axis {known.name}: {low} to {high} is more than one turn ({known.period})")
    return low, high
