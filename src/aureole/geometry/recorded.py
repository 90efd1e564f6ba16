"""What a file says of a detector, pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.arrays import NamedArray
from aureole.errors import GeometryError
from aureole.geometry.layout import Pair

_NAMES = ("corners", "mask", "flat", "dark")
_FARTHEST = 1000.0
"""Metres from the origin beyond which no pixel stands."""
_BLOCK_PIXELS = 1 << 18


@dataclass(frozen=True, slots=True)
class Recorded:
    """Arrays that were measured or worked out for one detector.

    Attributes
    ----------
    file : str
        Where they come from.
    corners : NamedArray of float32 or float64, shape (n1, n2, 4 or 6, 3), or None
        Places of the corners of each pixel along the slow axis, the fast one and away from the sample, in
        metres; without it the pixels form a grid. NaN where a pixel has no place, and where it has no area.
    mask : NamedArray of bool, shape (n1, n2), or None
        True where a pixel is invalid.
    flat, dark : NamedArray of shape (n1, n2), or None
        Response of the pixels, and counts without light: what an integration takes where it is given no
        other.

    Raises
    ------
    GeometryError
        Arrays of the wrong kind, that disagree in shape, or corners that cannot be in metres.
    """

    file: str
    corners: NamedArray | None = None
    mask: NamedArray | None = None
    flat: NamedArray | None = None
    dark: NamedArray | None = None

    def __post_init__(self) -> None:
        if self.corners is not None:
            array = self.corners.array
            if array.ndim != 4 or array.shape[2:] not in ((4, 3), (6, 3)) or array.dtype.kind != "f":
                raise GeometryError(
                    f"{self.file}: the corners of pixels have shape {array.shape} of {array.dtype}; "
                    "needed are floats of shape (rows, columns, 4 or 6, 3)"
                )
            placed = self._placed(array)
            if placed is not array:
                object.__setattr__(self, "corners", NamedArray(self.corners.name, placed))
        if self.mask is not None and self.mask.array.dtype != np.bool_:
            raise GeometryError(f"{self.file}: the mask must be of booleans, not of {self.mask.array.dtype}")
        shapes = {name: named.array.shape[:2] for name, named in self.arrays.items()}
        if len(set(shapes.values())) > 1:
            told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise GeometryError(f"{self.file}: its arrays do not agree in shape: {told}")

    def _placed(self, corners: NDArray[Any]) -> NDArray[Any]:
        """Return corners in float32 or float64, NaN for pixels whose corners fall into a line or a point.

        Such pixels have no normal, so that their solid angle is not a number.
        """
        if corners.dtype not in (np.float32, np.float64):
            corners = corners.astype(np.float64)
        if corners.size:
            least, most = np.fmin.reduce(corners, axis=None), np.fmax.reduce(corners, axis=None)
            if least < -_FARTHEST or most > _FARTHEST:
                raise GeometryError(
                    f"{self.file}: corners reach from {least:.3g} to {most:.3g} m: metres are needed"
                )
        step = max(1, _BLOCK_PIXELS // max(1, corners.shape[1]))
        for first in range(0, len(corners), step):
            rows = corners[first : first + step].astype(np.float64)
            normal = np.cross(rows[:, :, 2] - rows[:, :, 0], rows[:, :, 3] - rows[:, :, 1])
            flattened = ~normal.any(axis=-1)
            if flattened.any():
                if not corners.flags.writeable:
                    corners = corners.copy()
                corners[first : first + step][flattened] = np.nan
        return corners

    @property
    def arrays(self) -> dict[str, NamedArray]:
        """The arrays that are there, by the name of their field."""
        return {name: getattr(self, name) for name in _NAMES if getattr(self, name) is not None}

    @property
    def shape(self) -> Pair | None:
        """Number of pixels (slow, fast); None without arrays."""
        for named in self.arrays.values():
            return named.array.shape[0], named.array.shape[1]
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; arrays stand in it as name, shape, dtype and SHA-256."""
        return {"file": self.file} | {name: named.describe() for name, named in self.arrays.items()}

    @staticmethod
    def from_dict(known: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Recorded:
        """Return what `to_dict` wrote down, with the arrays by their SHA-256.

        Raises
        ------
        SpecError
            An array is missing or another one.
        """
        found = {name: NamedArray.find(known[name], arrays) for name in _NAMES if name in known}
        return Recorded(known["file"], **found)
