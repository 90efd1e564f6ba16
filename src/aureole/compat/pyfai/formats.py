"""The same geometry in the words of other programs: Fit2D, SPD, ImageD11, CXI, quaternions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import asin, atan2, cos, sin
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aureole.compat.pyfai.detectors import Detector, detector_factory
from aureole.compat.pyfai.pixels import Pixels
from aureole.errors import GeometryError
from aureole.geometry import Geometry as Pose

F64 = NDArray[np.float64]

_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "µm": 1e-6, "um": 1e-6, "nm": 1e-9, "A": 1e-10, "Å": 1e-10}
_FLIPS = {1: (-1, 1), 2: (-1, -1), 3: (1, -1), 4: (1, 1)}
"""(o11, o22) of ImageD11 by orientation: its horizontal axis points away from the ring, ours to it."""


class Fit2dGeometry(dict[str, Any]):
    """The numbers of Fit2D, as items and as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Formats(Pixels):
    """A geometry that can be said in other words."""

    def setFit2D(
        self,
        directDist: float,
        centerX: float,
        centerY: float,
        tilt: float = 0.0,
        tiltPlanRotation: float = 0.0,
        pixelX: float | None = None,
        pixelY: float | None = None,
        splinefile: str | None = None,
        detector: object = None,
        wavelength: float | None = None,
    ) -> Self:
        """Set the geometry in the words of Fit2D: mm, pixels, degrees, µm and Å."""
        if splinefile is not None:
            detector = Detector(splinefile=splinefile)
        if detector is not None:
            self.detector = detector
        elif pixelX is not None and pixelY is not None:
            sizes = pixelY * 1e-6, pixelX * 1e-6
            if not self.detector.is_known:
                self.detector = Detector(*sizes)
            elif not np.allclose(sizes, (self.pixel1, self.pixel2), rtol=1e-6):
                self.detector = Detector(*sizes, orientation=self.detector.orientation)
        self._take_numbers(
            Pose.from_fit2d(
                self.detector.known,
                direct_mm=directDist,
                center_x=centerX,
                center_y=centerY,
                tilt=tilt,
                tilt_plane_rotation=tiltPlanRotation,
                wavelength=wavelength * 1e-10 if wavelength else self.wavelength,
            )
        )
        return self

    def _take_numbers(self, pose: Pose) -> None:
        self._numbers = replace(pose, detector=self._numbers.detector)

    def getFit2D(self) -> Fit2dGeometry:
        """Return the geometry in the words of Fit2D: mm, pixels, degrees, µm and Å."""
        found = self.pose.to_fit2d()
        return Fit2dGeometry(
            directDist=found.direct_mm,
            centerX=found.center_x,
            centerY=found.center_y,
            tilt=found.tilt,
            tiltPlanRotation=found.tilt_plane_rotation,
            pixelX=self.pixel2 * 1e6,
            pixelY=self.pixel1 * 1e6,
            splinefile=None,
            detector=self.detector,
            wavelength=None if self.wavelength is None else self.wavelength * 1e10,
        )

    def getSPD(self) -> dict[str, Any]:
        """Return the geometry as SPD has it; its rotations are None, as those of pyFAI.

        SPD is described by P. Boesecke, J. Appl. Cryst. 40 (2007) s423.
        """
        known = self.detector.known
        numbers = {
            "PSize_1": known.pixel2,
            "PSize_2": known.pixel1,
            "BSize_1": known.binning[1],
            "BSize_2": known.binning[0],
            "splineFile": None,
            "Rot_3": None,
            "Rot_2": None,
            "Rot_1": None,
            "Center_2": self.poni1 / known.pixel1,
            "Center_1": self.poni2 / known.pixel2,
            "SampleDistance": self.dist,
        }
        return numbers if self.wavelength is None else numbers | {"WaveLength": self.wavelength}

    def setSPD(
        self,
        SampleDistance: float,
        Center_1: float,
        Center_2: float,
        Rot_1: float = 0,
        Rot_2: float = 0,
        Rot_3: float = 0,
        PSize_1: float | None = None,
        PSize_2: float | None = None,
        splinefile: str | None = None,
        BSize_1: int = 1,
        BSize_2: int = 1,
        WaveLength: float | None = None,
        splineFile: str | None = None,
    ) -> Self:
        """Set the geometry as SPD has it: metres, and pixels for centres.

        Raises
        ------
        GeometryError
            Rotations, which neither pyFAI takes, or a spline file.
        """
        if Rot_1 or Rot_2 or Rot_3 or splinefile or splineFile:
            raise GeometryError("SPD: rotations and spline files are not taken; give a PONI file")
        if PSize_1 and PSize_2:
            self.detector = Detector(PSize_2, PSize_1)
        self._set(
            dist=float(SampleDistance),
            poni1=Center_2 * self.pixel1,
            poni2=Center_1 * self.pixel2,
            rot1=0.0,
            rot2=0.0,
            rot3=0.0,
        )
        if WaveLength:
            self.wavelength = float(WaveLength)
        return self

    def getImageD11(self, distance_unit: str = "µm", wavelength_unit: str = "nm") -> dict[str, Any]:
        """Return the geometry as ImageD11 has it: centres in pixels, tilts in radians."""
        long, short = 1.0 / _METRES[str(distance_unit)], 1.0 / _METRES[str(wavelength_unit)]
        fit2d, known = self.pose.to_fit2d(), self.detector.known
        centre = self._mirrored((fit2d.center_y - 0.5, fit2d.center_x - 0.5))
        o11, o22 = _FLIPS[known.orientation]
        return {
            "distance": fit2d.direct_mm * 1e-3 * long,
            "o11": o11,
            "o12": 0,
            "o21": 0,
            "o22": o22,
            "tilt_x": self.rot3,
            "tilt_y": self.rot2,
            "tilt_z": -self.rot1,
            "wavelength": None if self.wavelength is None else self.wavelength * short,
            "y_center": centre[1],
            "y_size": known.pixel2 * long,
            "z_center": centre[0],
            "z_size": known.pixel1 * long,
            "shape": known.shape,
        }

    def setImageD11(
        self, param: Mapping[str, Any], distance_unit: str = "µm", wavelength_unit: str = "nm"
    ) -> Self:
        """Set the geometry as ImageD11 has it.

        Raises
        ------
        GeometryError
            Axes that are swapped, which no orientation of a detector is.
        """
        long, short = _METRES[str(distance_unit)], _METRES[str(wavelength_unit)]
        flips = {value: key for key, value in _FLIPS.items()}
        orientation = flips.get((param.get("o11"), param.get("o22")))  # type: ignore[arg-type]
        if orientation is None or param.get("o12") or param.get("o21"):
            raise GeometryError("ImageD11: o11 and o22 must be 1 or -1, and o12 and o21 zero")
        sizes = param["z_size"] * long, param["y_size"] * long
        own = self.detector
        same = own.is_known and np.allclose(sizes, (self.pixel1, self.pixel2), rtol=1e-9)
        if not same or own.orientation != orientation:
            self.detector = Detector(*sizes, max_shape=param.get("shape"), orientation=orientation)
        rot1, rot2 = -(param.get("tilt_z") or 0.0), param.get("tilt_y") or 0.0
        distance = param["distance"] * long
        centre = self._mirrored((param["z_center"], param["y_center"]))
        self._set(
            dist=distance * cos(rot2) * cos(rot1),
            poni1=(centre[0] + 0.5) * sizes[0] - distance * sin(rot2),
            poni2=(centre[1] + 0.5) * sizes[1] + distance * cos(rot2) * sin(rot1),
            rot1=rot1,
            rot2=rot2,
            rot3=param.get("tilt_x") or 0.0,
            wavelength=param["wavelength"] * short if param.get("wavelength") else self.wavelength,
        )
        return self

    def _mirrored(self, centre: tuple[float, float]) -> tuple[float, float]:
        """Return a place (slow, fast) in pixels with the axes turned round that the orientation turns."""
        known = self.detector.known
        turned = known.orientation in (1, 2), known.orientation in (1, 4)
        if not any(turned):
            return centre
        slow, fast = (
            count - 1.0 - place if turn else place
            for count, place, turn in zip(known.known_shape, centre, turned, strict=True)
        )
        return slow, fast

    def getCXI(self) -> dict[str, Any]:
        """Return the geometry as a CXI file has it (version 1.6)."""
        turned = self.rotation_matrix().T[np.ix_((1, 0), (1, 0, 2))]
        detector = {
            "distance": self.dist,
            "x_pixel_size": self.pixel2,
            "y_pixel_size": self.pixel1,
            "description": self.detector.name,
            "mask": self.detector.mask,
            "geometry_1": {
                "translation": [-self.poni2, -self.poni1, self.dist],
                "orientation": turned.ravel().tolist(),
            },
        }
        beam = {"incident_energy": self.energy, "incident_wavelength": self.wavelength}
        return {"cxi_version": 160} | ({"beam": beam} if self.wavelength else {}) | {"detector_1": detector}

    def setCXI(self, dico: Mapping[str, Any]) -> None:
        """Set the geometry as a CXI file has it."""
        found, beam = dico.get("detector_1", {}), dico.get("beam", {})
        sizes = {"pixel1": found.get("y_pixel_size"), "pixel2": found.get("x_pixel_size")}
        self.detector = detector_factory(found.get("description", "Detector"), sizes)
        self.detector.mask = found.get("mask")
        if "distance" in found:
            self.dist = float(found["distance"])
        if "incident_wavelength" in beam:
            self.wavelength = float(beam["incident_wavelength"])
        elif "incident_energy" in beam:
            self.energy = float(beam["incident_energy"])
        placed = found.get("geometry_1", {})
        if len(where := placed.get("translation", ())) == 3:
            self._set(dist=where[2], poni1=-where[1], poni2=-where[0])
        if len(turned := placed.get("orientation", ())) == 6:
            rows = np.reshape(turned, (2, 3))[np.ix_((1, 0), (1, 0, 2))]
            self._turn(np.vstack([rows, np.cross(rows[0], rows[1])]).T)

    def quaternion(self, param: tuple[float, ...] | None = None) -> F64:
        """Return the rotation as a quaternion (w, x, y, z)."""
        given = self._with(param)
        (c1, s1), (c2, s2), (c3, s3) = (
            (cos(0.5 * angle), sin(0.5 * angle)) for angle in (-given.rot1, -given.rot2, given.rot3)
        )
        return np.array(
            [
                c1 * c2 * c3 + s1 * s2 * s3,
                s1 * c2 * c3 - c1 * s2 * s3,
                c1 * s2 * c3 + s1 * c2 * s3,
                c1 * c2 * s3 - s1 * s2 * c3,
            ]
        )

    def set_rot_from_quaternion(self, w: float, x: float, y: float, z: float) -> None:
        """Set the rotations by a quaternion."""
        w, x, y, z = np.array([w, x, y, z]) / np.sqrt(w * w + x * x + y * y + z * z)
        self._turn(
            np.array(
                [
                    [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                    [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                    [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
                ]
            )
        )

    def _turn(self, matrix: F64) -> None:
        """Set the rotations by the matrix that `rotation_matrix` gives."""
        self._set(
            rot1=-atan2(matrix[2, 1], matrix[2, 2]),
            rot2=asin(float(np.clip(matrix[2, 0], -1.0, 1.0))),
            rot3=atan2(matrix[1, 0], matrix[0, 0]),
        )
