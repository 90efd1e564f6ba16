"""Where a detector stands, in pyFAI's words: an object whose numbers can be set one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.compat.pyfai.detectors import Detector, detector_of
from aureole.errors import GeometryError
from aureole.geometry import Detector as Known
from aureole.geometry import Discontinuity, Sensor
from aureole.geometry import Geometry as Pose
from aureole.units import HC_KEV_M

Shape = tuple[int, ...] | None

NUMBERS = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3")
_PLACEHOLDER = Known("Detector", 1e-4, 1e-4)


def _number(name: str) -> property:
    def get(self: Placed) -> float:
        return float(getattr(self._numbers, name))

    def put(self: Placed, value: float) -> None:
        self._set(**{name: value})

    return property(get, put, doc=f"`{name}` of the geometry, in metres or radians.")


class Placed:
    """A detector and where it stands; the same numbers as `aureole.Geometry`, and they can be set.

    Parameters
    ----------
    dist, poni1, poni2 : float
        In metres.
    rot1, rot2, rot3 : float
        In radians.
    pixel1, pixel2 : float, optional
        In metres, where no detector is given.
    splinefile : str, optional
        A file of distortions, in the place of a detector.
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
        splinefile: str | None = None,
        detector: object = None,
        wavelength: float | None = None,
        orientation: int = 0,
    ) -> None:
        if splinefile is not None:
            detector = Detector(splinefile=splinefile)
        self._detector = detector_of(detector, pixel1, pixel2, orientation)
        # the detector in here is none: it can change, and is put in where the geometry is asked for
        self._numbers = Pose(
            _PLACEHOLDER, dist, poni1, poni2, rot1, rot2, rot3, wavelength=wavelength or None
        )
        self.chiDiscAtPi = True

    dist, poni1, poni2, rot1, rot2, rot3 = map(_number, NUMBERS)

    def _set(self, **values: Any) -> None:
        self._numbers = replace(self._numbers, **values)

    def _take(self, pose: Pose) -> None:
        self._numbers = replace(pose, detector=_PLACEHOLDER)
        self._detector = Detector.of(pose.detector)

    @property
    def pose(self) -> Pose:
        """The geometry as the rest of Aureole takes it; raises `GeometryError` without a detector."""
        return replace(self._numbers, detector=self._detector.known)

    def pose_for(self, shape: Shape) -> Pose:
        """Return the geometry for images of a shape; None is the detector's own."""
        return self.pose if shape is None else self.pose.with_shape(tuple(shape)[-2:])

    @property
    def param(self) -> list[float]:
        """The six numbers of the geometry."""
        return [float(getattr(self._numbers, name)) for name in NUMBERS]

    def set_param(self, param: tuple[float, ...]) -> None:
        """Set the six numbers of the geometry, and a seventh, the wavelength in metres."""
        if len(param) not in (6, 7):
            raise GeometryError(f"six or seven numbers are needed, not {len(param)}")
        self._set(**_named(param))

    @property
    def detector(self) -> Detector:
        """The detector."""
        return self._detector

    @detector.setter
    def detector(self, given: object) -> None:
        if given is None:
            raise GeometryError("a detector is needed, not None")
        self._detector = detector_of(given, None, None, 0)

    @property
    def wavelength(self) -> float | None:
        """In metres."""
        return self._numbers.wavelength

    @wavelength.setter
    def wavelength(self, value: float | None) -> None:
        self._set(wavelength=value)

    @property
    def energy(self) -> float | None:
        """In keV."""
        return None if self.wavelength is None else HC_KEV_M / self.wavelength

    @energy.setter
    def energy(self, value: float) -> None:
        self._numbers = self._numbers.with_energy(value)

    @property
    def pixel1(self) -> float:
        """Size of a pixel along the slow axis, in metres."""
        return self._detector.known.pixel1

    @pixel1.setter
    def pixel1(self, value: float) -> None:
        self._detector.pixel1 = value

    @property
    def pixel2(self) -> float:
        """Size of a pixel along the fast axis, in metres."""
        return self._detector.known.pixel2

    @pixel2.setter
    def pixel2(self, value: float) -> None:
        self._detector.pixel2 = value

    @property
    def mask(self) -> NDArray[Any] | None:
        """The detector's mask: as it was set, or its gaps."""
        return self._detector.mask

    @mask.setter
    def mask(self, given: NDArray[Any] | None) -> None:
        self._detector.mask = given

    @property
    def parallax(self) -> bool | None:
        """True where pixels stand for where photons entered the sensor, else None."""
        return self._numbers.parallax or None

    @parallax.setter
    def parallax(self, value: object) -> None:
        self._set(parallax=bool(value))

    def enable_parallax(
        self,
        activate: bool = True,
        sensor_material: str | None = None,
        sensor_thickness: float | None = None,
    ) -> None:
        """Let pixels stand for where photons entered the sensor, or for where they are.

        Parameters
        ----------
        activate : bool
        sensor_material : str, optional
            In the place of that of the detector.
        sensor_thickness : float, optional
            In metres.

        Raises
        ------
        GeometryError
            The attenuation of the sensor is not known: material, thickness or wavelength is missing.
        """
        if activate and sensor_material is not None:
            self._detector.sensor = Sensor(sensor_material, sensor_thickness)
        self._set(parallax=activate)
        if activate:
            self.pose.field("2th_rad")  # raises where it is not known

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

    def check_chi_disc(self, azimuth_range: tuple[float, float]) -> bool:
        """Return whether a range (rad) reaches over the place where azimuths start over."""
        low, high = (-np.pi, np.pi) if self.chiDiscAtPi else (0.0, 2.0 * np.pi)
        return bool(min(azimuth_range) < low or max(azimuth_range) > high)

    def get_shape(self, shape: Shape = None) -> Shape:
        """Return the shape that is given, or that of the detector."""
        return self._detector.shape if shape is None else shape

    def rotation_matrix(self, param: tuple[float, ...] | None = None) -> NDArray[np.float64]:
        """Return the rotation from the axes of the detector to pyFAI's of the laboratory, (3, 3)."""
        return self._with(param).rotation_matrix()

    def _with(self, param: tuple[float, ...] | None) -> Pose:
        """Return the numbers, or others in their place."""
        if param is None:
            return self._numbers
        return replace(self._numbers, **_named(param))


def _named(param: tuple[float, ...]) -> dict[str, Any]:
    return dict(zip((*NUMBERS, "wavelength"), param, strict=False))
