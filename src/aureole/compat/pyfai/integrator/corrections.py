"""What goes into an integration beside the image: masks, darks and flats, that stay with the integrator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aureole.compat.pyfai.accessors import give_pair
from aureole.compat.pyfai.geometry import Geometry
from aureole.compat.pyfai.save import save1d, save2d
from aureole.compat.pyfai.words import unit_of
from aureole.errors import SpecError
from aureole.io import read_image

Image = NDArray[Any]
Range = tuple[float, float] | None

_MODES = ("normal", "numpy", "where")


class Corrections(Geometry):
    """A geometry with the images that correct others; see `AzimuthalIntegrator`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.empty = 0.0
        self._files: dict[str, Any] = {}

    @property
    def darkcurrent(self) -> Image | None:
        """Subtracted where a call gives no dark."""
        return self.detector.darkcurrent

    @darkcurrent.setter
    def darkcurrent(self, dark: Image | None) -> None:
        self.detector.darkcurrent = dark

    @property
    def flatfield(self) -> Image | None:
        """Divides the signal where a call gives no flat."""
        return self.detector.flatfield

    @flatfield.setter
    def flatfield(self, flat: Image | None) -> None:
        self.detector.flatfield = flat

    @property
    def maskfile(self) -> str | None:
        """The file of the mask, if it came from one."""
        return self._files.get("mask")

    @maskfile.setter
    def maskfile(self, name: str | Path) -> None:
        self.mask, self._files["mask"] = read_image(name), str(name)

    @property
    def darkfiles(self) -> Any:
        """The files of the dark, if it came from any."""
        return self._files.get("dark")

    @property
    def flatfiles(self) -> Any:
        """The files of the flat, if it came from any."""
        return self._files.get("flat")

    def set_darkfiles(self, files: str | Sequence[str] | None = None, method: str = "mean") -> None:
        """Take the mean or the median of images as the dark."""
        self.darkcurrent, self._files["dark"] = _averaged(files, method), files

    def set_flatfiles(self, files: str | Sequence[str] | None, method: str = "mean") -> None:
        """Take the mean or the median of images as the flat."""
        self.flatfield, self._files["flat"] = _averaged(files, method), files

    def dark_correction(self, data: Image, dark: Image | None = None) -> tuple[Image, Image | None]:
        """Return an image less the dark, and that dark or None."""
        dark = self.darkcurrent if dark is None else dark
        return (data, None) if dark is None else (data - dark, dark)

    def flat_correction(self, data: Image, flat: Image | None = None) -> tuple[Image, Image | None]:
        """Return an image over the flat, and that flat or None."""
        flat = self.flatfield if flat is None else flat
        return (data, None) if flat is None else (data / flat, flat)

    def create_mask(
        self,
        data: Image,
        mask: Image | None = None,
        dummy: float | None = None,
        delta_dummy: float | None = None,
        unit: Any = None,
        radial_range: Range = None,
        azimuth_range: Range = None,
        mode: Literal["normal", "numpy", "where"] = "normal",
    ) -> Any:
        """Return which pixels of an image are invalid: masked, dummies, or out of the ranges.

        Parameters
        ----------
        data : ndarray, shape (n1, n2)
        mask : ndarray, optional
            Not zero where pixels are invalid; that of the detector without it.
        dummy, delta_dummy : float, optional
        unit : str or pair of str
            Of the ranges, which are in radians, metres or nm⁻¹.
        radial_range, azimuth_range : tuple of float, optional
        mode : {"normal", "numpy", "where"}
            True where pixels are invalid, where they are valid, or the indices of those.

        Raises
        ------
        SpecError
            A radial range without a unit, or an unknown mode.
        """
        if mode not in _MODES:
            raise SpecError(f"mode {mode!r}: it is one of {', '.join(_MODES)}")
        mask = self.mask if mask is None else mask
        found = np.zeros(data.shape, bool) if mask is None else np.array(mask, bool)
        if dummy is not None:
            found |= np.abs(data - float(dummy)) <= (delta_dummy or 0.0)
        radial, around = unit if isinstance(unit, tuple | list) else (unit, "chi_rad")
        if radial_range is not None and radial is None:
            raise SpecError("a radial range needs its unit")
        for name, limits in ((radial, radial_range), (around, azimuth_range)):
            if limits is not None:
                place = self.center_array(data.shape, name, scale=False)
                found |= (place < limits[0]) | (place > limits[1])
        if mode == "normal":
            return found
        return ~found if mode == "numpy" else np.nonzero(~found)

    def save1D(
        self,
        filename: str | Path,
        dim1: Image,
        intensity: Image,
        error: Image | None = None,
        dim1_unit: object = "2th_deg",
        **_: object,
    ) -> None:
        """Write a pattern as text."""
        columns = [dim1, intensity] if error is None else [dim1, intensity, error]
        save1d(filename, columns, unit_of(dim1_unit).name)

    def save2D(
        self,
        filename: str | Path,
        intensity: Image,
        dim1: Image,
        dim2: Image,
        error: Image | None = None,
        dim1_unit: object = "2th_deg",
        **_: object,
    ) -> None:
        """Write a cake as an EDF image; errors are not written, as with pyFAI's default format."""
        save2d(filename, intensity, [(unit_of(dim1_unit).name, dim1), ("chi_deg", dim2)])


for _name in ("empty", "darkcurrent", "flatfield", "maskfile"):
    give_pair(Corrections, _name)


def _averaged(files: str | Sequence[str] | None, method: str) -> Image | None:
    if files is None:
        return None
    if method not in ("mean", "median"):
        raise SpecError(f"method {method!r}: images are averaged by their mean or median")
    names = files.split(",") if isinstance(files, str) else list(files)
    stack = np.array([read_image(name) for name in names], np.float64)
    return np.asarray(np.mean(stack, axis=0) if method == "mean" else np.median(stack, axis=0))
