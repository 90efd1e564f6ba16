"""Where the detector stands, in pyFAI's words: an object whose numbers can be set one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aureole.compat.pyfai.detectors import detector_of
from aureole.compat.pyfai.words import unit_of
from aureole.errors import GeometryError, SpecError
from aureole.geometry import Detector as Known
from aureole.geometry import Discontinuity, format_poni
from aureole.geometry import Geometry as Pose
from aureole.io import load as read_poni
from aureole.io.publish import publication
from aureole.units import HC_KEV_M

F64 = NDArray[np.float64]
Shape = tuple[int, ...] | None

NUMBERS = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3")
_PLACEHOLDER = Known("Detector", 1e-4, 1e-4)


def _number(name: str) -> property:
    def get(self: Geometry) -> float:
        return float(getattr(self._pose, name))

    def put(self: Geometry, value: float) -> None:
        self._set(**{name: value})

    return property(get, put, doc=f"`{name}` of the geometry, in metres or radians.")


class Geometry:
    """A detector and where it stands; the same numbers as `aureole.Geometry`, and they can be set.

    Parameters
    ----------
    dist, poni1, poni2 : float
        In metres.
    rot1, rot2, rot3 : float
        In radians.
    pixel1, pixel2 : float, optional
        In metres, where no detector is given.
    splinefile : None
        Distortion is part of the detector here.
    detector : Detector or str, optional
    wavelength : float, optional
        In metres.
    orientation : int
        Of the detector, 1 to 4; 0 is 3.

    Raises
    ------
    GeometryError
        A number that cannot be, or a detector that is not known.
    """

    def __init__(
        self,
        dist: float = 1.0,
        poni1: float = 0.0,
        poni2: float = 0.0,
        rot1: float = 0.0,
        rot2: float = 0.0,
        rot3: float = 0.0,
        pixel1: float | None = None,
        pixel2: float | None = None,
        splinefile: None = None,
        detector: object = None,
        wavelength: float | None = None,
        orientation: int = 0,
    ) -> None:
        if splinefile is not None:
            raise GeometryError(f"{splinefile}: give a detector that knows the spline, not a splinefile")
        known = detector_of(detector, pixel1, pixel2, orientation)
        self._has_detector = known is not None
        self._pose = Pose(
            known or _PLACEHOLDER, dist, poni1, poni2, rot1, rot2, rot3, wavelength=wavelength or None
        )
        self.chiDiscAtPi = True

    dist, poni1, poni2, rot1, rot2, rot3 = map(_number, NUMBERS)

    def _set(self, **values: Any) -> None:
        self._pose = replace(self._pose, **values)

    @property
    def pose(self) -> Pose:
        """The geometry as the rest of Aureole takes it; raises `GeometryError` without a detector."""
        if not self._has_detector:
            raise GeometryError("the integrator has no detector: give detector=..., or pixel1 and pixel2")
        return self._pose

    def pose_for(self, shape: Shape) -> Pose:
        """Return the geometry for images of a shape; None is the detector's own."""
        return self.pose if shape is None else self.pose.with_shape(tuple(shape)[-2:])

    @property
    def detector(self) -> Known:
        """The detector; raises `GeometryError` if there is none."""
        return self.pose.detector

    @detector.setter
    def detector(self, given: object) -> None:
        known = detector_of(given, None, None, 0)
        if known is None:
            raise GeometryError("a detector is needed, not None")
        self._has_detector = True
        self._set(detector=known)

    @property
    def wavelength(self) -> float | None:
        """In metres."""
        return self._pose.wavelength

    @wavelength.setter
    def wavelength(self, value: float | None) -> None:
        self._set(wavelength=value)

    @property
    def energy(self) -> float | None:
        """In keV."""
        return None if self.wavelength is None else HC_KEV_M / self.wavelength

    @energy.setter
    def energy(self, value: float) -> None:
        self._pose = self._pose.with_energy(value)

    @property
    def pixel1(self) -> float:
        """Size of a pixel along the slow axis, in metres."""
        return self.detector.pixel1

    @property
    def pixel2(self) -> float:
        """Size of a pixel along the fast axis, in metres."""
        return self.detector.pixel2

    @property
    def chi_discontinuity(self) -> Discontinuity:
        """Where azimuths start over, in Aureole's words."""
        return "pi" if self.chiDiscAtPi else "zero"

    def setChiDiscAtZero(self) -> None:
        """Let azimuths run from 0 to 2π."""
        self.chiDiscAtPi = False

    def setChiDiscAtPi(self) -> None:
        """Let azimuths run from -π to π."""
        self.chiDiscAtPi = True

    # coordinates of pixels

    def center_array(self, shape: Shape = None, unit: object = "2th_deg", scale: bool = True) -> F64:
        """Return a coordinate of the centres of the pixels, (n1, n2).

        Parameters
        ----------
        shape : tuple of int, optional
            Of the images; that of the detector without it.
        unit : str
        scale : bool
            In that unit; otherwise in radians, metres or nm⁻¹.
        """
        name = unit_of(unit).name if scale else base_of(unit_of(unit).name)
        return self.pose_for(shape).center_array(name, chi_discontinuity=self.chi_discontinuity)

    def corner_array(
        self, shape: Shape = None, unit: object = "2th_deg", use_cython: bool = True, scale: bool = True
    ) -> NDArray[np.float64]:
        """Return a radial coordinate and χ (rad) of the corners of each pixel, (n1, n2, 4, 2)."""
        name = unit_of(unit).name if scale else base_of(unit_of(unit).name)
        pose, turn = self.pose_for(shape), self.chi_discontinuity
        radial = pose.corner_array(name, chi_discontinuity=turn)
        return np.stack([radial, pose.corner_array("chi_rad", chi_discontinuity=turn)], axis=-1)

    def delta_array(self, shape: Shape = None, unit: object = "2th_deg", scale: bool = False) -> F64:
        """Return the largest distance from centre to corner of each pixel in a coordinate, (n1, n2)."""
        name = unit_of(unit).name if scale else base_of(unit_of(unit).name)
        pose, turn = self.pose_for(shape), self.chi_discontinuity
        corners = pose.corner_array(name, chi_discontinuity=turn)
        apart = np.abs(corners - pose.center_array(name, chi_discontinuity=turn)[..., None])
        if (period := unit_of(name).period) is not None:
            apart = np.minimum(apart, period - apart)
        return np.asarray(apart.max(axis=-1), np.float64)

    def array_from_unit(
        self, shape: Shape = None, typ: str = "center", unit: object = "2th_deg", scale: bool = True
    ) -> F64:
        """Return `center_array`, `corner_array` or `delta_array`, whichever `typ` says."""
        if typ == "center":
            return self.center_array(shape, unit, scale)
        if typ == "corner":
            return self.corner_array(shape, unit, scale=scale)
        if typ == "delta":
            return self.delta_array(shape, unit, scale)
        raise SpecError(f"typ {typ!r}: it is center, corner or delta")

    def twoThetaArray(self, shape: Shape = None) -> F64:
        """Return 2θ (rad) of the centres of the pixels."""
        return self.center_array(shape, "2th_rad")

    def qArray(self, shape: Shape = None) -> F64:
        """Return q (nm⁻¹) of the centres of the pixels."""
        return self.center_array(shape, "q_nm^-1")

    def rArray(self, shape: Shape = None) -> F64:
        """Return the distance (m) of the centres of the pixels from the beam."""
        return self.center_array(shape, "r_m")

    def rd2Array(self, shape: Shape = None) -> F64:
        """Return (1/d)² (nm⁻²) of the centres of the pixels."""
        return self.center_array(shape, "d*2_nm^-2")

    def chiArray(self, shape: Shape = None) -> F64:
        """Return χ (rad) of the centres of the pixels."""
        return self.center_array(shape, "chi_rad")

    def position_array(self, shape: Shape = None, corners: bool = False) -> F64:
        """Return where the centres of the pixels are in the laboratory: (n1, n2, 3) as z, y, x in metres.

        z is along the beam, y along the slow axis, x along the fast one.

        Raises
        ------
        SpecError
            Corners are asked for: `aureole.Geometry` has them.
        """
        if corners:
            raise SpecError("position_array gives centres: corners=True is not there")
        slow, fast, along = self.pose_for(shape).positions()
        return np.stack([along, slow, fast], axis=-1)

    # corrections of pixels

    def solidAngleArray(self, shape: Shape = None, order: float | bool = 3, absolute: bool = False) -> F64:
        """Return cos³α of each pixel, (n1, n2), or another power of it; absolute is in steradian."""
        pose = self.pose_for(shape)
        found = np.power(pose.solid_angle(), float(3 if order is True else order) / 3.0)
        if absolute:
            found *= pose.detector.pixel1 * pose.detector.pixel2 / pose.dist**2
        return found

    def polarization(self, shape: Shape = None, factor: float | None = None, axis_offset: float = 0.0) -> F64:
        """Return the polarization correction of each pixel, (n1, n2); ones without a factor."""
        pose = self.pose_for(shape)
        return np.ones(pose.shape) if factor is None else pose.polarization(factor, axis_offset)

    def calc_transmission(self, t0: float, shape: Shape = None) -> F64:
        """Return the efficiency of a phosphor for each pixel over that along its normal, (n1, n2).

        (1 - t0^(1/cos α)) / (1 - t0) with the angle α of incidence (G. Wu et al., J. Appl. Cryst. 35 (2002)
        356).

        Parameters
        ----------
        t0 : float
            Transmission of the phosphor along the normal, above 0 and below 1.
        shape : tuple of int, optional

        Raises
        ------
        SpecError
            A transmission that cannot be.
        """
        if not 0.0 < t0 < 1.0:
            raise SpecError(f"a transmission lies between 0 and 1, not {t0}")
        return (1.0 - np.power(t0, 1.0 / self.solidAngleArray(shape, order=1))) / (1.0 - t0)

    # other ways to say it

    def rotation_matrix(self) -> F64:
        """Return the rotation from the axes of the detector to pyFAI's of the laboratory, (3, 3)."""
        return self._pose.rotation_matrix()

    def setFit2D(
        self,
        directDist: float,
        centerX: float,
        centerY: float,
        tilt: float = 0.0,
        tiltPlanRotation: float = 0.0,
        pixelX: float | None = None,
        pixelY: float | None = None,
        splinefile: None = None,
        detector: object = None,
        wavelength: float | None = None,
    ) -> Self:
        """Set the geometry in the words of Fit2D: mm, pixels and degrees; sizes of pixels are in µm."""
        if splinefile is not None:
            raise GeometryError(f"{splinefile}: give a detector that knows the spline, not a splinefile")
        pixel1, pixel2 = (None if size is None else size * 1e-6 for size in (pixelY, pixelX))
        known = detector_of(detector, pixel1, pixel2, self._pose.detector.orientation)
        if known is not None:
            self.detector = known
        self._pose = Pose.from_fit2d(
            self.detector,
            direct_mm=directDist,
            center_x=centerX,
            center_y=centerY,
            tilt=tilt,
            tilt_plane_rotation=tiltPlanRotation,
            wavelength=wavelength or self.wavelength,
        )
        return self

    def getFit2D(self) -> dict[str, float | None]:
        """Return the geometry in the words of Fit2D: mm, pixels, degrees and µm."""
        found = self.pose.to_fit2d()
        return {
            "directDist": found.direct_mm,
            "centerX": found.center_x,
            "centerY": found.center_y,
            "tilt": found.tilt,
            "tiltPlanRotation": found.tilt_plane_rotation,
            "pixelX": self.pixel2 * 1e6,
            "pixelY": self.pixel1 * 1e6,
            "wavelength": self.wavelength,
        }

    def getPyFAI(self) -> dict[str, Any]:
        """Return the numbers of the geometry and the name of the detector."""
        numbers = {name: getattr(self._pose, name) for name in (*NUMBERS, "wavelength")}
        return numbers | {"detector": self.detector.name}

    def save(self, filename: str | Path) -> None:
        """Write a PONI file; one that is there is replaced, as with pyFAI."""
        with publication(filename, overwrite=True) as path:
            path.write_text(format_poni(self.pose))

    write = save

    def load(self, filename: str | Path) -> Self:
        """Take the geometry of a PONI file."""
        self._pose, self._has_detector = read_poni(filename), True
        return self

    read = load

    @classmethod
    def sload(cls, filename: str | Path) -> Self:
        """Return the geometry of a PONI file."""
        return cls().load(filename)


def base_of(name: str) -> str:
    """Return the unit in which pyFAI computes before it scales: rad, m or nm⁻¹."""
    for start, base in (("2th", "2th_rad"), ("r_", "r_m"), ("chi", "chi_rad"), ("q_", "q_nm^-1")):
        if name.startswith(start):
            return base
    return name
