"""What pyFAI's integrators make of patterns and images: images of patterns, Bragg peaks apart, guesses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal import Inpainter, IntegrationSpec, bins_along_radius, fit_polarization, most_bins
from aureole.azimuthal.project import over_both
from aureole.compat.pyfai.containers import SeparateResult
from aureole.compat.pyfai.integrator.corrections import Corrections
from aureole.compat.pyfai.words import split_of, unit_of

Image = NDArray[Any]
Range = tuple[float, float] | None


class Images(Corrections):
    """A geometry that makes images; see `AzimuthalIntegrator`."""

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
