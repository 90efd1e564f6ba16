"""Coordinates of single points of a detector, counted in pixels: whole numbers are the middles of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.compat.pyfai.placed import Placed, Shape
from aureole.errors import GeometryError, SpecError

F64 = NDArray[np.float64]
Param = tuple[float, ...] | None


class Points(Placed):
    """A detector of which points can be asked for.

    Everywhere `d1` and `d2` are positions in pixels along the slow and the fast axis, and `param` is six
    numbers in the place of those of the geometry; `path` is taken and does nothing.
    """

    def calc_pos_zyx(
        self,
        d0: float | None = None,
        d1: Any = None,
        d2: Any = None,
        param: Param = None,
        corners: bool = False,
        use_cython: bool = True,
        do_parallax: bool = False,
    ) -> tuple[F64, F64, F64]:
        """Return where points are in the laboratory: along the beam, the slow and the fast axis, in metres.

        Raises
        ------
        SpecError
            Corners are asked for (see `Detector.get_pixel_corners`), or an offset `d0`.
        """
        if corners or d0:
            raise SpecError("calc_pos_zyx gives points of the detector: corners and d0 are not there")
        placed = self._with(param)
        along1, along2, behind = self.detector.calc_cartesian_positions(d1, d2)
        away = placed.dist + (0.0 if behind is None else behind)
        place = np.broadcast_arrays(along1 - placed.poni1, along2 - placed.poni2, away)
        turned = np.tensordot(placed.rotation_matrix(), np.stack(place), 1)
        return turned[2], turned[0], turned[1]

    def tth(self, d1: Any, d2: Any, param: Param = None, path: str = "") -> F64:
        """Return 2θ in radians."""
        along, slow, fast = self.calc_pos_zyx(d1=d1, d2=d2, param=param)
        return np.arctan2(np.hypot(slow, fast), along)

    def qFunction(self, d1: Any, d2: Any, param: Param = None, path: str = "") -> F64:
        """Return q in nm⁻¹; raises `GeometryError` without a wavelength."""
        if self.wavelength is None:
            raise GeometryError("q needs a wavelength: set it, or the energy")
        scale = 4e-9 * np.pi / self.wavelength
        return np.asarray(scale * np.sin(0.5 * self.tth(d1, d2, param)))

    def rFunction(self, d1: Any, d2: Any, param: Param = None, path: str = "") -> F64:
        """Return the distance from the beam in metres."""
        _, slow, fast = self.calc_pos_zyx(d1=d1, d2=d2, param=param)
        return np.hypot(slow, fast)

    def chi(self, d1: Any, d2: Any, path: str = "") -> F64:
        """Return the azimuth in radians, from -π to π or from 0 to 2π."""
        _, slow, fast = self.calc_pos_zyx(d1=d1, d2=d2)
        found = np.arctan2(slow, fast)
        return found if self.chiDiscAtPi else np.asarray(found % (2.0 * np.pi))

    def tth_corner(self, d1: Any, d2: Any) -> F64:
        """Return 2θ (rad) of the first corners of pixels."""
        return self.tth(np.subtract(d1, 0.5), np.subtract(d2, 0.5))

    def qCornerFunct(self, d1: Any, d2: Any) -> F64:
        """Return q (nm⁻¹) of the first corners of pixels."""
        return self.qFunction(np.subtract(d1, 0.5), np.subtract(d2, 0.5))

    def rCornerFunct(self, d1: Any, d2: Any) -> F64:
        """Return the distance from the beam (m) of the first corners of pixels."""
        return self.rFunction(np.subtract(d1, 0.5), np.subtract(d2, 0.5))

    def chi_corner(self, d1: Any, d2: Any) -> F64:
        """Return the azimuth (rad) of the first corners of pixels."""
        return self.chi(np.subtract(d1, 0.5), np.subtract(d2, 0.5))

    def cos_incidence(self, d1: Any, d2: Any, path: str = "") -> F64:
        """Return the cosine of the angle between the ray and the normal of the detector."""
        along, slow, fast = self.calc_pos_zyx(d1=d1, d2=d2)
        return np.asarray(self.dist / np.sqrt(along**2 + slow**2 + fast**2))

    def sin_incidence(self, d1: Any, d2: Any, path: str = "") -> F64:
        """Return the sine of the angle between the ray and the normal of the detector."""
        return np.sqrt(1.0 - np.square(self.cos_incidence(d1, d2)))

    def diffSolidAngle(self, d1: Any, d2: Any) -> F64:
        """Return the solid angle of pixels over that of one at the point of normal incidence."""
        return np.asarray(self.cos_incidence(d1, d2) ** 3)

    def positionArray(self, shape: Shape = None, **options: Any) -> F64:
        """Return `position_array`."""
        return self.position_array(shape, **options)

    def position_array(self, shape: Shape = None, corners: bool = False, **_: object) -> F64:
        """Return where the centres of the pixels are in the laboratory: (n1, n2, 3) as z, y, x in metres.

        z is along the beam, y along the slow axis, x along the fast one.

        Raises
        ------
        SpecError
            Corners are asked for.
        """
        if corners:
            raise SpecError("position_array gives centres; see detector.get_pixel_corners for corners")
        slow, fast, along = self.pose_for(shape).positions()
        return np.stack([along, slow, fast], axis=-1)
