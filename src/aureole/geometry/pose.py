"""Where the detector stands: the point of normal incidence (PONI), distance and rotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import cos, isfinite, sin
from typing import Any, Literal

import numpy as np

from aureole._core import Field
from aureole.errors import GeometryError, SpecError
from aureole.geometry import fields
from aureole.geometry.detector import Detector
from aureole.geometry.fields import FloatArray, Grid, Plane
from aureole.geometry.fit2d import Fit2D, fit2d_to_pose, pose_to_fit2d
from aureole.units import HC_KEV_M, Unit, unit

Discontinuity = Literal["pi", "zero"]

_WAVELENGTHS = 1e-13, 1e-7
"""Shortest and longest wavelength (m) that is believed: one in other units is not."""

_NUMBERS = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3")
_NEAREST, _FARTHEST = 1e-9, 1e6
"""Lengths (m) within which a detector stands."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """A detector and where it stands with respect to the sample and the beam.

    The laboratory has axis 1 along the slow axis of an unrotated detector, axis 2 along the fast one and axis
    3 along the beam. A point of the detector at (p1, p2, dist) from its point of normal incidence is at ``R3
    R2 R1 p``; rot1 and rot2 are left-handed rotations about axes 1 and 2, rot3 is a right-handed one about
    axis 3 (the conventions of J. Kieffer et al., J. Appl. Cryst. 53 (2020) 1188 [pyFAI]).

    All arrays are float64, in the order of the stored pixels.

    Attributes
    ----------
    detector : Detector
        Pixels and orientation.
    dist : float
        From the sample to the plane of the detector, in metres.
    poni1, poni2 : float
        Point of normal incidence on the detector, in metres along the slow and the fast axis.
    rot1, rot2, rot3 : float
        Rotations in radians.
    wavelength : float or None
        In metres.

    Raises
    ------
    GeometryError
        A number that is not finite, a distance outside of 1e-9 to 1e6 m, an offset above 1e6 m, a wavelength
        outside of 1e-13 to 1e-7 m.
    """

    detector: Detector
    dist: float
    poni1: float = 0.0
    poni2: float = 0.0
    rot1: float = 0.0
    rot2: float = 0.0
    rot3: float = 0.0
    wavelength: float | None = None

    def __post_init__(self) -> None:
        for key in _NUMBERS:
            value = getattr(self, key)
            if not isinstance(value, int | float | np.number) or not isfinite(value):
                raise GeometryError(f"geometry: {key} must be a finite number, not {value!r}")
            object.__setattr__(self, key, float(value))
        if self.dist <= 0.0:
            raise GeometryError(f"geometry: dist must be a positive length in metres, not {self.dist}")
        if self.dist < _NEAREST or max(self.dist, abs(self.poni1), abs(self.poni2)) > _FARTHEST:
            raise GeometryError(
                f"geometry: dist {self.dist:g}, poni1 {self.poni1:g} and poni2 {self.poni2:g} are in metres: "
                f"a detector stands at {_NEAREST:g} to {_FARTHEST:g} m"
            )
        if self.wavelength is not None:
            object.__setattr__(self, "wavelength", _checked_wavelength(self.wavelength))

    # what it stands on

    @property
    def shape(self) -> tuple[int, int]:
        """Number of pixels (slow, fast); raises `GeometryError` where the detector does not know it."""
        return self.detector.known_shape

    @property
    def energy_kev(self) -> float:
        """Photon energy in keV; raises `GeometryError` without a wavelength."""
        if self.wavelength is None:
            raise GeometryError("the geometry has no wavelength, hence no photon energy")
        return HC_KEV_M / self.wavelength

    def with_shape(self, shape: tuple[int, ...]) -> Geometry:
        """Return the geometry for images of a shape; raises `GeometryError` if the detector has another."""
        fitted = self.detector.with_shape(shape)
        return self if fitted is self.detector else replace(self, detector=fitted)

    def with_energy(self, energy_kev: float) -> Geometry:
        """Return the geometry with the wavelength of photons of an energy in keV."""
        if not (isfinite(energy_kev) and energy_kev > 0.0):
            raise GeometryError(f"the photon energy must be positive, not {energy_kev} keV")
        return replace(self, wavelength=HC_KEV_M / energy_kev)

    def rotation_matrix(self) -> FloatArray:
        """Return the rotation from the axes of the detector to those of the laboratory, (3, 3)."""
        c1, c2, c3 = cos(self.rot1), cos(self.rot2), cos(self.rot3)
        s1, s2, s3 = sin(self.rot1), sin(self.rot2), sin(self.rot3)
        return np.array(
            [
                [c2 * c3, c3 * s1 * s2 - c1 * s3, -(c1 * c3 * s2 + s1 * s3)],
                [c2 * s3, c1 * c3 + s1 * s2 * s3, -(c1 * s2 * s3 - c3 * s1)],
                [s2, -c2 * s1, c1 * c2],
            ]
        )

    # positions in space

    def grid(self) -> Grid:
        """Return where centres and borders of the pixels are, in metres from the PONI."""
        detector = self.detector
        return Grid(
            detector.centres(0) - self.poni1,
            detector.centres(1) - self.poni2,
            detector.edges(0) - self.poni1,
            detector.edges(1) - self.poni2,
        )

    def positions(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return t1, t2, t3 (m) of the pixel centres in the laboratory, each of shape (n1, n2)."""
        grid = self.grid()
        return fields.positions(self._plane(), grid.rows, grid.columns)

    # coordinates

    def center_array(
        self, name: str | Unit, *, chi_discontinuity: Discontinuity = "pi", threads: int | None = None
    ) -> FloatArray:
        """Return a coordinate of the pixel centres.

        Parameters
        ----------
        name : str or Unit
            Any unit of `aureole.units`.
        chi_discontinuity : {"pi", "zero"}
            Whether χ lies in [-π, π] or in [0, 2π].
        threads : int, optional
            How many work on it, all available cores without it; the bits do not depend on it.

        Returns
        -------
        ndarray, shape (n1, n2)

        Raises
        ------
        GeometryError
            No wavelength where one is needed, or a detector without shape.
        SpecError
            Unknown unit or discontinuity, or fewer than one thread.
        """
        grid, field = self.grid(), self.field(name, chi_discontinuity=chi_discontinuity)
        return fields.values(field, grid.rows, grid.columns, threads=threads)

    def vertex_array(
        self, name: str | Unit, *, chi_discontinuity: Discontinuity = "pi", threads: int | None = None
    ) -> FloatArray:
        """Return a coordinate of the corners of all pixels once, (n1 + 1, n2 + 1).

        Pixel (i, j) lies between vertices (i, j), (i + 1, j), (i + 1, j + 1) and (i, j + 1).
        Parameters and errors are those of `center_array`.
        """
        grid, field = self.grid(), self.field(name, chi_discontinuity=chi_discontinuity)
        return fields.values(field, grid.row_edges, grid.column_edges, threads=threads)

    def corner_array(
        self, name: str | Unit, *, chi_discontinuity: Discontinuity = "pi", threads: int | None = None
    ) -> FloatArray:
        """Return a coordinate of the corners of each pixel, (n1, n2, 4).

        The order is (i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1). `vertex_array` holds the same in a
        quarter of the memory. A pixel across the discontinuity of χ has corners on both sides. Parameters and
        errors are those of `center_array`.
        """
        vertices = self.vertex_array(name, chi_discontinuity=chi_discontinuity, threads=threads)
        return fields.four_corners(vertices)

    def field(self, name: str | Unit, *, chi_discontinuity: Discontinuity = "pi") -> Field:
        """Return what the kernels compute a coordinate from; parameters and errors as of `center_array`."""
        return self._plane(chi_discontinuity).coordinate(unit(name))

    # corrections

    def solid_angle(self, *, threads: int | None = None) -> FloatArray:
        """Return cos³α, the solid angle of each pixel over that of one at the PONI, (n1, n2).

        α is the angle of incidence: the pixel is cos⁻¹α times farther away, and seen at a slant. `threads` is
        as in `center_array`.
        """
        grid = self.grid()
        return fields.values(self._plane().solid_angle(), grid.rows, grid.columns, threads=threads)

    def incidence(self) -> FloatArray:
        """Return cos α of the angles of incidence α upon the pixels, (n1, n2)."""
        grid = self.grid()
        slant = np.square(grid.rows)[:, np.newaxis] + np.square(grid.columns) + self.dist**2
        return np.asarray(self.dist / np.sqrt(slant))

    def polarization(
        self, factor: float, axis_offset: float = 0.0, *, threads: int | None = None
    ) -> FloatArray:
        """Return the polarization correction ½ [1 + cos²2θ - f cos 2(χ + offset) (1 - cos²2θ)], (n1, n2).

        Parameters
        ----------
        factor : float
            f = (Ih - Iv) / (Ih + Iv), from -1 to 1; 1 is full polarization along the fast axis.
        axis_offset : float
            Angle from the main axis of polarization to the fast axis, in radians.
        threads : int, optional
            As in `center_array`.

        Raises
        ------
        SpecError
            A factor outside of -1 to 1.
        """
        if not -1.0 <= factor <= 1.0:
            raise SpecError(f"polarization factor {factor} is not between -1 and 1")
        if not isfinite(axis_offset):
            raise SpecError(f"the offset of the polarization axis must be finite, not {axis_offset}")
        grid, field = self.grid(), self._plane().polarization(factor, axis_offset)
        return fields.values(field, grid.rows, grid.columns, threads=threads)

    # other ways to say it

    def beam_center(self) -> tuple[float, float]:
        """Return where the direct beam meets the detector, in stored pixels (slow, fast).

        The middle of the first pixel is at (0.5, 0.5). The detector must know its shape if its orientation is
        not 3.

        Raises
        ------
        GeometryError
            The beam does not meet the plane of the detector.
        """
        _, _, away = self.rotation_matrix()[2]
        if away <= 0.0:
            raise GeometryError("the direct beam does not meet the detector: it is turned by 90° or more")
        along1, along2, _ = self.rotation_matrix()[2]
        hit1 = self.poni1 + self.dist * along1 / away
        hit2 = self.poni2 + self.dist * along2 / away
        return self.detector.pixel_at(0, hit1), self.detector.pixel_at(1, hit2)

    @classmethod
    def from_fit2d(
        cls,
        detector: Detector,
        *,
        direct_mm: float,
        center_x: float,
        center_y: float,
        tilt: float = 0.0,
        tilt_plane_rotation: float = 0.0,
        wavelength: float | None = None,
    ) -> Geometry:
        """Return the geometry that Fit2D describes thus.

        Parameters
        ----------
        detector : Detector
            Pixels; its orientation plays no part in the conversion.
        direct_mm : float
            From the sample to the detector along the beam, in mm.
        center_x, center_y : float
            Where the beam meets the detector, in pixels along the fast and the slow axis.
        tilt, tilt_plane_rotation : float
            Of the detector, in degrees.
        wavelength : float, optional
            In metres.
        """
        given = Fit2D(direct_mm, center_x, center_y, tilt, tilt_plane_rotation)
        pose = fit2d_to_pose(given, detector.pixel1, detector.pixel2)
        return cls(detector, *pose, wavelength=wavelength)

    def to_fit2d(self) -> Fit2D:
        """Return the geometry in the words of Fit2D; rot3, a rotation about the beam, has no place there.

        Raises
        ------
        GeometryError
            The beam does not meet the plane of the detector.
        """
        return pose_to_fit2d(self.dist, (self.poni1, self.poni2), (self.rot1, self.rot2), self._pixel())

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold and `from_dict` understands."""
        numbers = {key: getattr(self, key) for key in _NUMBERS}
        return {"detector": self.detector.to_dict(), **numbers, "wavelength": self.wavelength}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Geometry:
        """Return the geometry that `to_dict` wrote; raises `GeometryError` where something is missing."""
        try:
            numbers = {key: known[key] for key in _NUMBERS}
            return cls(Detector.from_dict(known["detector"]), **numbers, wavelength=known["wavelength"])
        except (KeyError, TypeError) as error:
            raise GeometryError(f"the description of a geometry is not usable: {error!r}") from error

    def _pixel(self) -> tuple[float, float]:
        return self.detector.pixel1, self.detector.pixel2

    def _plane(self, chi_discontinuity: str = "pi") -> Plane:
        if chi_discontinuity not in ("pi", "zero"):
            raise SpecError(f"the discontinuity of chi is at 'pi' or 'zero', not at {chi_discontinuity!r}")
        return Plane(self.rotation_matrix(), self.dist, self.wavelength, chi_discontinuity == "zero")


def _checked_wavelength(given: object) -> float:
    if not (isinstance(given, int | float | np.number) and isfinite(given) and given > 0.0):
        raise GeometryError(f"geometry: wavelength must be a positive length, not {given!r} m")
    if not _WAVELENGTHS[0] <= given <= _WAVELENGTHS[1]:
        hint = f"; did you mean {given:g}e-10?" if 1e-3 < given < 1e3 else ""
        raise GeometryError(f"geometry: wavelength {given:g} is in metres, such as 1e-10{hint}")
    return float(given)
