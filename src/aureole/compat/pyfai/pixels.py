"""Coordinates and corrections of all pixels of a detector, as arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from aureole.compat.pyfai.placed import Shape
from aureole.compat.pyfai.points import Points
from aureole.compat.pyfai.words import base_of, unit_of
from aureole.errors import SpecError

F64 = NDArray[np.float64]

_WHERE = {"center": "the centres", "corner": "the corners", "delta": "centre to corner"}


def _array(kind: str, unit: str, what: str) -> Callable[..., F64]:
    def get(self: Pixels, shape: Shape = None, use_cython: bool = True) -> F64:
        return self.array_from_unit(shape, kind, unit)

    get.__doc__ = f"Return {what} of {_WHERE[kind]} of the pixels."
    return get


class Pixels(Points):
    """A detector of which arrays can be asked for."""

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

    twoThetaArray = _array("center", "2th_rad", "2θ (rad)")
    qArray = _array("center", "q_nm^-1", "q (nm⁻¹)")
    rArray = _array("center", "r_m", "the distance from the beam (m)")
    rd2Array = _array("center", "d*2_nm^-2", "(1/d)² (nm⁻²)")
    chiArray = _array("center", "chi_rad", "χ (rad)")
    cornerArray = _array("corner", "2th_rad", "2θ (rad)")
    cornerQArray = _array("corner", "q_nm^-1", "q (nm⁻¹)")
    cornerRArray = _array("corner", "r_m", "the distance from the beam (m)")
    cornerRd2Array = _array("corner", "d*2_nm^-2", "(1/d)² (nm⁻²)")
    delta2Theta = _array("delta", "2th_rad", "2θ (rad)")
    deltaQ = _array("delta", "q_nm^-1", "q (nm⁻¹)")
    deltaR = _array("delta", "r_m", "the distance from the beam (m)")
    deltaRd2 = _array("delta", "d*2_nm^-2", "(1/d)² (nm⁻²)")
    deltaChi = _array("delta", "chi_rad", "χ (rad)")

    def solidAngleArray(
        self,
        shape: Shape = None,
        order: float | bool = 3,
        absolute: bool = False,
        with_checksum: bool = False,
    ) -> Any:
        """Return cos³α of each pixel, (n1, n2), or another power of it; absolute is in steradian.

        With a checksum, a pair of them.
        """
        pose = self.pose_for(shape)
        found = np.power(pose.solid_angle(), float(3 if order is True else order) / 3.0)
        if absolute:
            found *= pose.detector.pixel1 * pose.detector.pixel2 / pose.dist**2
        return (found, crc32(found.tobytes())) if with_checksum else found

    def polarization(
        self,
        shape: Shape = None,
        factor: Any = None,
        axis_offset: float = 0.0,
        with_checksum: bool = False,
        path: str = "",
    ) -> Any:
        """Return the polarization correction of each pixel, (n1, n2); ones without a factor.

        The factor may be a pair: with the offset of the axis (rad). With a checksum, a pair of them.
        """
        pose = self.pose_for(shape)
        factor, axis_offset = factor if isinstance(factor, tuple | list) else (factor, axis_offset)
        found = np.ones(pose.shape) if factor is None else pose.polarization(factor, axis_offset)
        return (found, crc32(found.tobytes())) if with_checksum else found

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
        return np.asarray((1.0 - np.power(t0, 1.0 / self.solidAngleArray(shape, order=1))) / (1.0 - t0))
