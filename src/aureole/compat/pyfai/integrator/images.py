"""What pyFAI's integrators do to images: masks, darks and flats; patterns made images; Bragg peaks apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal import Inpainter, IntegrationSpec, bins_along_radius, fit_polarization, most_bins
from aureole.azimuthal.project import over_both
from aureole.compat.pyfai.accessors import give_pair
from aureole.compat.pyfai.containers import SeparateResult
from aureole.compat.pyfai.geometry import Geometry
from aureole.compat.pyfai.save import save1d, save2d
from aureole.compat.pyfai.words import split_of, unit_of
from aureole.errors import SpecError
from aureole.io import read_image

Image = NDArray[Any]
Range = tuple[float, float] | None

_MODES = ("normal", "numpy", "where")


class Images(Geometry):
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

    def calcfrom1d(
        self,
        tth: Image,
        intensity: Image,
        shape: tuple[int, ...] | None = None,
        mask: Image | None = None,
        dim1_unit: object = "2th_deg",
        correctSolidAngle: bool = True,
        dummy: float = 0.0,
        polarization_factor: Any = None,
        polarization_axis_offset: float = 0.0,
        dark: Image | None = None,
        flat: Image | None = None,
    ) -> Image:
        """Return the image of a pattern, as a detector would count it; ends of the pattern go on outwards."""
        image = np.interp(self.center_array(shape, dim1_unit), tth, intensity)
        if polarization_factor is not None:
            image *= self.polarization(shape, polarization_factor, polarization_axis_offset)
        return self._counted(image, correctSolidAngle, (dark, flat, mask), dummy)

    def calcfrom2d(
        self,
        intensity: Image,
        tth: Image,
        chi: Image,
        shape: tuple[int, ...] | None = None,
        mask: Image | None = None,
        dim1_unit: object = "2th_deg",
        dim2_unit: object = "chi_deg",
        correctSolidAngle: bool = True,
        dummy: float = 0.0,
        polarization_factor: Any = None,
        polarization_axis_offset: float = 0.0,
        dark: Image | None = None,
        flat: Image | None = None,
    ) -> Image:
        """Return the image of a cake, as a detector would count it; azimuths close after a turn."""
        radius = np.clip(self.center_array(shape, dim1_unit), tth[0], tth[-1])
        turn = unit_of(dim2_unit).period or 360.0
        points = np.asarray(tth, float), np.asarray(chi, float), np.asarray(intensity, float)
        image = over_both(radius, self.center_array(shape, dim2_unit), points, turn=turn)
        if polarization_factor is not None:
            image *= self.polarization(shape, polarization_factor, polarization_axis_offset)
        return self._counted(image, correctSolidAngle, (dark, flat, mask), dummy)

    def _counted(
        self,
        image: Image,
        solid_angle: bool,
        images: tuple[Image | None, Image | None, Image | None],
        dummy: float,
    ) -> Image:
        dark, flat, mask = images
        if solid_angle:
            image = image * self.solidAngleArray(image.shape)
        if flat is not None:
            image = image * flat
        if dark is not None:
            image = image + dark
        return image if mask is None else np.where(np.asarray(mask, bool), dummy, image)

    def separate(
        self,
        data: Image,
        npt: int = 1024,
        *,
        unit: object = "2th_deg",
        method: object = ("full", "csr", "cython"),
        polarization_factor: float | None = None,
        percentile: float | tuple[float, float] = 50,
        mask: Image | None = None,
        restore_mask: bool = True,
    ) -> SeparateResult:
        """Separate Bragg peaks from what is the same all around the beam, which is a percentile of each ring.

        Parameters and errors are those of `medfilt1d`. With `restore_mask`, masked pixels of both images hold
        what `data` has there.
        """
        options = {"unit": unit, "method": method, "polarization_factor": polarization_factor, "mask": mask}
        pattern = self.medfilt1d(data, npt, percentile=percentile, **options)  # type: ignore[attr-defined]
        amorphous = self.calcfrom1d(
            pattern.radial,
            pattern.intensity,
            data.shape,
            dim1_unit=unit,
            polarization_factor=polarization_factor,
        )
        bragg = data - amorphous
        mask = self.mask if mask is None else mask
        if restore_mask and mask is not None:
            kept = np.asarray(mask, bool)
            bragg[kept] = amorphous[kept] = data[kept]
        return SeparateResult.of(bragg, amorphous, pattern)

    def inpainting(
        self,
        data: Image,
        mask: Image,
        npt_rad: int = 1024,
        npt_azim: int = 512,
        *,
        unit: object = "r_m",
        method: object = ("full", "csr", "cython"),
        poissonian: bool = False,
        grow_mask: int = 3,
    ) -> Image:
        """Return an image with values in its masked pixels, interpolated along the azimuth of each ring.

        `grow_mask` is taken and does nothing: no masked pixel has a share in what is interpolated.
        """
        spec = IntegrationSpec(
            self.pose_for(data.shape),
            radial=Axis(unit_of(unit).name, npt_rad),
            azimuthal=Axis("chi_deg", npt_azim),
            split=split_of(method),
            mask=mask,
            detector_mask=False,
            solid_angle=False,
            chi_discontinuity=self.chi_discontinuity,
            efficiency=False,
        )
        filled = Inpainter(spec)(np.asarray(data, np.float64), noise="poisson" if poissonian else None)
        return np.where(np.asarray(mask, bool), filled, data)

    def guess_npt_rad(self) -> int:
        """Return the number of pixels from the beam to the corner farthest from it."""
        (row, column), (rows, columns) = self.pose.beam_center(), self.pose.shape
        return int(np.hypot(max(abs(row), abs(rows - row)), max(abs(column), abs(columns - column))))

    def guess_max_bins(
        self,
        redundancy: int = 1,
        search_range: tuple[int, int] | None = None,
        unit: object = "q_nm^-1",
        radial_range: Range = None,
        azimuth_range: Range = None,
    ) -> int:
        """Return the largest number of bins of which each has so many pixels.

        `search_range` is taken and does nothing. The azimuth is in degrees.
        """
        mask = self.create_mask(np.zeros(self.pose.shape, np.int8))
        if azimuth_range is not None:
            place = self.center_array(None, "chi_deg")
            mask |= (place < min(azimuth_range)) | (place > max(azimuth_range))
        return most_bins(
            self.pose, unit_of(unit).name, radial_range=radial_range, pixels=redundancy, mask=mask
        )

    def guess_polarization(
        self,
        img: Image,
        npt_rad: int | None = None,
        npt_azim: int = 360,
        unit: object = "2th_deg",
        method: object = ("no", "csr", "cython"),
        target_rad: float | None = None,
    ) -> float:
        """Return the polarization factor, from all rings at once; `unit` and `target_rad` do nothing."""
        pose = self.pose_for(img.shape)
        found = fit_polarization(
            img,
            pose,
            npt_radial=npt_rad or bins_along_radius(pose),
            npt_azimuthal=npt_azim,
            split=split_of(method),
            mask=self.detector.own_mask,
            detector_mask=self.detector.own_mask is None,
            efficiency=False,
        )
        return found.factor

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
    give_pair(Images, _name)


def _averaged(files: str | Sequence[str] | None, method: str) -> Image | None:
    if files is None:
        return None
    if method not in ("mean", "median"):
        raise SpecError(f"method {method!r}: images are averaged by their mean or median")
    names = files.split(",") if isinstance(files, str) else list(files)
    stack = np.array([read_image(name) for name in names], np.float64)
    return np.asarray(np.mean(stack, axis=0) if method == "mean" else np.median(stack, axis=0))
