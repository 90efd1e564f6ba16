"""Where the detector stands: the point of normal incidence (PONI), distance and rotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import cos, isfinite, pi, sin
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aureole._core import Field
from aureole._core import Places as KernelPlaces
from aureole.errors import GeometryError, SpecError
from aureole.geometry import fields, parallax
from aureole.geometry.detector import Detector
from aureole.geometry.distortion import Distortion
from aureole.geometry.fields import FloatArray, Grid, Places, Plane
from aureole.geometry.fit2d import Fit2D, fit2d_to_pose, pose_to_fit2d
from aureole.geometry.sample import Sample
from aureole.geometry.sensor import Sensor
from aureole.units import HC_KEV_M, Unit, unit

Discontinuity = Literal["pi", "zero"]

_WAVELENGTHS = 1e-13, 1e-7
"""Shortest and longest wavelength (m) that is believed: one in other units is not."""

_NUMBERS = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3")
_BLOCK = 1 << 15
"""Pixels whose corners are worked on at once."""
_REACHES = 1, 2, 4, 8
"""How many pixels around the one nearest to the beam tell where it is: more where some have no place."""
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
    parallax : bool
        Whether pixels stand for where the photons that they count entered the sensor; coordinates then need
        a wavelength, a flat detector, and a sensor whose attenuation is known.

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
    parallax: bool = False

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
        object.__setattr__(self, "parallax", bool(self.parallax))

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
        """Return where centres and borders of the pixels are, in metres from the PONI.

        Raises
        ------
        GeometryError
            The pixels form no flat grid.
        """
        detector = self.detector
        return Grid(
            detector.centres(0) - self.poni1,
            detector.centres(1) - self.poni2,
            detector.edges(0) - self.poni1,
            detector.edges(1) - self.poni2,
        )

    def pixels(self) -> Grid | Places:
        """Return where the pixels are, as the kernels take it: a grid, or the places of all corners."""
        detector = self.detector
        if detector.is_grid:
            return self.grid()
        origin = self.poni1, self.poni2, -self.dist
        if detector.is_listed:
            array = detector.listed()
            kind = "single" if array.dtype == np.float32 else "array"
            corners = KernelPlaces(**{kind: array}, flipped=detector.flipped, origin=origin)
            return Places(corners, array.shape[2])
        parts = detector.parts()
        return Places(KernelPlaces(parts.rows, parts.columns, origin=origin), parts.rows.shape[1])

    def positions(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return t1, t2, t3 (m) of the pixel centres in the laboratory, each of shape (n1, n2)."""
        if self.detector.is_grid and not self.parallax:
            grid = self.grid()
            return fields.positions(self._plane(), grid.rows, grid.columns)
        return self._in_space(*self.detector.positions())

    # coordinates

    def center_array(
        self,
        name: str | Unit,
        *,
        chi_discontinuity: Discontinuity = "pi",
        sample: Sample | None = None,
        threads: int | None = None,
    ) -> FloatArray:
        """Return a coordinate of the pixel centres.

        Parameters
        ----------
        name : str or Unit
            Any unit of `aureole.units`.
        chi_discontinuity : {"pi", "zero"}
            Whether χ lies in [-π, π] or in [0, 2π].
        sample : Sample, optional
            How the sample stands in the beam, for units of grazing incidence.
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
            Unknown unit or discontinuity, fewer than one thread, or a unit that needs a sample and has none.
        """
        field = self.field(name, chi_discontinuity=chi_discontinuity, sample=sample)
        return self.pixels().at_centres(field, threads)

    def vertex_array(
        self,
        name: str | Unit,
        *,
        chi_discontinuity: Discontinuity = "pi",
        sample: Sample | None = None,
        threads: int | None = None,
    ) -> FloatArray:
        """Return a coordinate of the corners of all pixels once, (n1 + 1, n2 + 1).

        Pixel (i, j) lies between vertices (i, j), (i + 1, j), (i + 1, j + 1) and (i, j + 1).
        Parameters and errors are those of `center_array`; pixels that form no grid do not share vertices and
        raise `GeometryError`.
        """
        grid, field = self.grid(), self.field(name, chi_discontinuity=chi_discontinuity, sample=sample)
        return fields.values(field, grid.row_edges, grid.column_edges, threads=threads)

    def corner_array(
        self,
        name: str | Unit,
        *,
        chi_discontinuity: Discontinuity = "pi",
        sample: Sample | None = None,
        threads: int | None = None,
    ) -> FloatArray:
        """Return a coordinate of the corners of each pixel, (n1, n2, K).

        K is 4, in the order (i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1), or 6 for hexagons. `vertex_array`
        holds the same for a grid in a quarter of the memory. A pixel across the discontinuity of χ has
        corners on both sides. Parameters and errors are those of `center_array`.
        """
        field = self.field(name, chi_discontinuity=chi_discontinuity, sample=sample)
        return self.pixels().at_corners(field, threads)

    def field(
        self, name: str | Unit, *, chi_discontinuity: Discontinuity = "pi", sample: Sample | None = None
    ) -> Field:
        """Return what the kernels compute a coordinate from; parameters and errors as of `center_array`."""
        return self._plane(chi_discontinuity, sample).coordinate(unit(name))

    # corrections

    def solid_angle(self, *, threads: int | None = None) -> FloatArray:
        """Return the solid angle of each pixel over that of one of the same size at the PONI, (n1, n2).

        It is cos α (dist / R)², with the angle of incidence α and the distance R from the sample; on a flat
        detector that is cos³α: the pixel is cos⁻¹α times farther away, and seen at a slant. Behind a taper
        its area counts too. `threads` is as in `center_array`.
        """
        surface = self.detector.surface
        if isinstance(surface, Distortion):
            areas = self.detector.as_stored(surface.areas(self.shape))
            return areas * self.pixels().at_centres(self._plane().solid_angle(), threads)
        if self.detector.is_flat:
            return self.pixels().at_centres(self._plane().solid_angle(), threads)
        found = np.empty(self.shape)
        for rows, cosine, squared in self._slants():
            found[rows] = cosine * (self.dist**2 / squared)
        return found

    def incidence(self) -> FloatArray:
        """Return cos α of the angles of incidence α upon the pixels, (n1, n2).

        The normal of a pixel that is not on the plane of the detector is that of the diagonals between its
        first and its third, and its second and its fourth corner.
        """
        if self.detector.is_grid:
            grid = self.grid()
            slant = np.square(grid.rows)[:, np.newaxis] + np.square(grid.columns) + self.dist**2
            return np.asarray(self.dist / np.sqrt(slant))
        if self.detector.is_flat:
            return np.cbrt(self.pixels().at_centres(self._plane().solid_angle()))
        found = np.empty(self.shape)
        for rows, cosine, _ in self._slants():
            found[rows] = cosine
        return found

    def _slants(self) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
        """Yield rows, the cosines of incidence of their pixels, and their squared distances (m²)."""
        n1, n2 = self.shape
        step = max(1, _BLOCK // n2)
        for first in range(0, n1, step):
            rows = slice(first, first + step)
            corners = np.moveaxis(self.detector.corners(rows), (2, 3), (0, 1))
            a, b = corners[2] - corners[0], corners[3] - corners[1]
            normal = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
            middle = corners.mean(axis=0)
            ray = middle[0] - self.poni1, middle[1] - self.poni2, middle[2] + self.dist
            along = sum(n * r for n, r in zip(normal, ray, strict=True))
            area, squared = (sum(np.square(part) for part in vector) for vector in (normal, ray))
            yield rows, np.abs(along) / np.sqrt(area * squared), squared

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
        return self.pixels().at_centres(self._plane().polarization(factor, axis_offset), threads)

    # other ways to say it

    def beam_center(self) -> tuple[float, float]:
        """Return where the direct beam meets the detector, in stored pixels (slow, fast).

        The middle of the first pixel is at (0.5, 0.5). The detector must know its shape if its orientation is
        not 3. Where the pixels form no grid, the place is told from the pixel that is nearest to the beam and
        its neighbours.

        Raises
        ------
        GeometryError
            The beam does not meet the plane of the detector.
        """
        if not self.detector.is_grid:
            return self._nearest_to_beam()
        along1, along2, away = self.rotation_matrix()[2]
        if away <= 0.0:
            raise GeometryError("the direct beam does not meet the detector: it is turned by 90° or more")
        farther = self.dist / away
        if self.parallax:
            farther *= 1.0 + float(parallax.shift(*self._absorbing(), self.dist, np.array(away)))
        hit1, hit2 = self.poni1 + farther * along1, self.poni2 + farther * along2
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
        known = {"detector": self.detector.to_dict(), **numbers, "wavelength": self.wavelength}
        # descriptions from before it came stay as they are
        return known | {"parallax": True} if self.parallax else known

    @classmethod
    def from_dict(
        cls, known: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] | None = None
    ) -> Geometry:
        """Return the geometry that `to_dict` wrote, as `Detector.from_dict` does."""
        try:
            numbers = {key: known[key] for key in _NUMBERS}
            found = Detector.from_dict(known["detector"], arrays)
            seen = {"wavelength": known["wavelength"], "parallax": known.get("parallax", False)}
            return cls(found, **numbers, **seen)
        except (KeyError, TypeError) as error:
            raise GeometryError(f"the description of a geometry is not usable: {error!r}") from error

    def _nearest_to_beam(self) -> tuple[float, float]:
        angle = np.nan_to_num(self.center_array("2th_rad"), nan=np.inf)
        if angle.min() >= 0.5 * pi:
            raise GeometryError("the direct beam does not meet the detector: it is turned by 90° or more")
        nearest = [int(at) for at in np.unravel_index(np.argmin(angle), angle.shape)]
        for reach in _REACHES:
            at, tangents = self._tangents_around(nearest, reach)
            plane = np.column_stack([at, np.ones(len(at))])
            if np.linalg.matrix_rank(plane) == 3:
                break
        slopes, *_ = np.linalg.lstsq(plane, tangents, rcond=None)
        hit, *_ = np.linalg.lstsq(slopes[:2].T, -slopes[2], rcond=None)
        return nearest[0] + float(hit[0]) + 0.5, nearest[1] + float(hit[1]) + 0.5

    def _tangents_around(self, pixel: list[int], reach: int) -> tuple[FloatArray, FloatArray]:
        """Return where pixels around one are, (n, 2) in pixels from it, and the tangents of rays, (n, 2).

        Tangents are t1/t3 and t2/t3, zero where the beam is. Pixels without a place are left out.
        """
        first = [
            min(max(at - reach, 0), max(size - 2 * reach - 1, 0))
            for at, size in zip(pixel, self.shape, strict=True)
        ]
        rows, columns = (slice(begin, begin + 2 * reach + 1) for begin in first)
        p1, p2, p3 = self.detector.positions(rows)
        t1, t2, t3 = self._in_space(p1[:, columns], p2[:, columns], None if p3 is None else p3[:, columns])
        at = np.indices(t1.shape).reshape(2, -1).T + (np.array(first) - pixel)
        tangents = np.stack([(t1 / t3).ravel(), (t2 / t3).ravel()], axis=1)
        known = np.isfinite(tangents).all(axis=1)
        return at[known].astype(np.float64), tangents[known]

    def _in_space(
        self, p1: FloatArray, p2: FloatArray, p3: FloatArray | None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return t1, t2, t3 (m) of points of the detector."""
        slow, fast = p1 - self.poni1, p2 - self.poni2
        away = self.dist if p3 is None else p3 + self.dist
        if self.parallax:
            cosine = self.dist / np.sqrt(slow**2 + fast**2 + self.dist**2)
            shrunk = np.interp(cosine, np.linspace(0.0, 1.0, parallax.FACTORS), self._factors())
            slow, fast = slow * shrunk, fast * shrunk
        t1, t2, t3 = (row[0] * slow + row[1] * fast + row[2] * away for row in self.rotation_matrix())
        return t1, t2, t3

    def _pixel(self) -> tuple[float, float]:
        return self.detector.pixel1, self.detector.pixel2

    def _plane(self, chi_discontinuity: str = "pi", sample: Sample | None = None) -> Plane:
        if chi_discontinuity not in ("pi", "zero"):
            raise SpecError(f"the discontinuity of chi is at 'pi' or 'zero', not at {chi_discontinuity!r}")
        return Plane(
            self.rotation_matrix(),
            self.dist,
            self.wavelength,
            chi_discontinuity == "zero",
            sample,
            self._factors() if self.parallax else None,
        )

    def _factors(self) -> FloatArray:
        """Return what distances from the point of normal incidence shrink by, as the kernels take it."""
        return parallax.factors(*self._absorbing(), self.dist)

    def _absorbing(self) -> tuple[Sensor, float]:
        """Return sensor and photon energy (keV); raises `GeometryError` where parallax is not known."""
        sensor = self.detector.known_sensor
        if sensor is None:
            raise GeometryError(
                f"parallax: the sensor of detector {self.detector.name} is not known: give its material"
            )
        if self.wavelength is None:
            raise GeometryError("parallax: the geometry needs a wavelength: give a wavelength or an energy")
        if not self.detector.is_flat:
            raise GeometryError(f"parallax: detector {self.detector.name} is not flat, as it has to be")
        return sensor, self.energy_kev


def _checked_wavelength(given: object) -> float:
    if not (isinstance(given, int | float | np.number) and isfinite(given) and given > 0.0):
        raise GeometryError(f"geometry: wavelength must be a positive length, not {given!r} m")
    if not _WAVELENGTHS[0] <= given <= _WAVELENGTHS[1]:
        hint = f"; did you mean {given:g}e-10?" if 1e-3 < given < 1e3 else ""
        raise GeometryError(f"geometry: wavelength {given:g} is in metres, such as 1e-10{hint}")
    return float(given)
