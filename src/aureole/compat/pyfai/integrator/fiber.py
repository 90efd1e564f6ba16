"""Grazing incidence and fibres, as pyFAI's scripts ask for them."""

from __future__ import annotations

from math import pi, radians
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal import Cake, Pattern
from aureole.compat.pyfai.containers import Called, Integrate1dFiberResult, Integrate2dFiberResult
from aureole.compat.pyfai.integrator.azimuthal import AzimuthalIntegrator, Options
from aureole.compat.pyfai.save import save1d, save2d
from aureole.compat.pyfai.words import unit_of
from aureole.errors import SpecError
from aureole.geometry import Sample

Image = NDArray[Any]
_ANGLES = ("incident_angle", "tilt_angle")
_OWN = ("unit_ip", "unit_oop", "ip_range", "oop_range", "sample_orientation", "angle_unit", *_ANGLES)
_USUAL = ("qip_nm^-1", "qoop_nm^-1")


class FiberIntegrator(AzimuthalIntegrator):
    """An integrator for samples that stand in some way: as each call says, upright and level without that.

    All methods take, beside `Options` of the integrator: `unit_ip` and `unit_oop` (qip and qoop in nm⁻¹),
    `ip_range` and `oop_range`, `incident_angle` and `tilt_angle` in `angle_unit` (``"rad"`` or ``"deg"``),
    and `sample_orientation` from 1 to 8. Attributes tell what the last call said.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sample = Sample()

    @property
    def incident_angle(self) -> float:
        """Of the beam on the sample, in radians."""
        return self._sample.incident_angle

    @property
    def tilt_angle(self) -> float:
        """Of the sample about the beam, in radians."""
        return self._sample.tilt_angle

    @property
    def sample_orientation(self) -> int:
        """Which way the image is turned, 1 to 8."""
        return self._sample.orientation

    def reset_integrator(self, incident_angle: float, tilt_angle: float, sample_orientation: int) -> None:
        """Set how the sample stands; angles are in radians."""
        self._sample = Sample(_turned(incident_angle), _turned(tilt_angle), sample_orientation)

    def integrate2d_fiber(
        self, data: Image, npt_ip: int = 1000, npt_oop: int = 1000, **options: Any
    ) -> Integrate2dFiberResult:
        """Integrate an image to intensity against two coordinates of the sample.

        Parameters
        ----------
        data : ndarray, shape (n1, n2)
        npt_ip, npt_oop : int
            Number of bins in the plane of the sample and along its normal.
        **options
            See the class.

        Raises
        ------
        InputError
            What is asked for cannot be.
        FrameError
            An image that cannot be used.
        """
        ip, oop, common = self._axes(options, npt_ip, npt_oop)
        axes = _slots(ip, oop)
        found = self._integrated(data, axes, common)
        assert isinstance(found, Cake)
        called = self._called_fiber(common, "integrate2d_fiber")
        result = Integrate2dFiberResult.of(found, called, empty=self.empty)
        result = result if axes[0] is ip else result.swapped()
        if (filename := common.get("filename")) is not None:
            names = [(result.ip_unit, result.inplane), (result.oop_unit, result.outofplane)]
            save2d(filename, result.intensity, names)
        return result

    def integrate_fiber(
        self,
        data: Image,
        npt_ip: int | None = None,
        npt_oop: int | None = None,
        *,
        vertical_integration: bool = True,
        **options: Any,
    ) -> Integrate1dFiberResult:
        """Integrate an image to intensity along the normal of the sample, or in its plane.

        Parameters
        ----------
        data : ndarray, shape (n1, n2)
        npt_ip, npt_oop : int, optional
            Number of bins of the coordinate that is kept; that of the other one does nothing: pixels within
            its range go into the bins at once, not by way of a cake.
        vertical_integration : bool
            Whether the coordinate out of plane is kept, and not the one in it.
        **options
            See the class.

        Raises
        ------
        InputError
            The number of bins is missing, or what is asked for cannot be.
        FrameError
            An image that cannot be used.
        """
        npt = npt_oop if vertical_integration else npt_ip
        if npt is None:
            raise SpecError(f"npt_{'oop' if vertical_integration else 'ip'} is needed: the number of bins")
        counts = (None, npt) if vertical_integration else (npt, None)
        ip, oop, common = self._axes(options, *counts)
        found = self._integrated(data, _slots(ip, oop), common)
        assert isinstance(found, Pattern)
        called = self._called_fiber(common, "integrate_fiber")
        result = Integrate1dFiberResult.of(found, called, empty=self.empty)
        result.vertical_integration = vertical_integration
        if (filename := common.get("filename")) is not None:
            save1d(filename, result, result.unit)
        return result

    integrate1d_fiber = integrate_fiber
    integrate_grazing_incidence = integrate_fiber
    integrate1d_grazing_incidence = integrate_fiber
    integrate2d_grazing_incidence = integrate2d_fiber

    def integrate2d_polar(
        self, polar_degrees: bool = True, radial_unit: str = "nm^-1", rotate: bool = False, **options: Any
    ) -> Integrate2dFiberResult:
        """Integrate an image to intensity against q and the polar angle; rotated, the other way round."""
        units = _polar(polar_degrees, radial_unit)
        unit_ip, unit_oop = units[::-1] if rotate else units
        return self.integrate2d_fiber(**options, unit_ip=unit_ip, unit_oop=unit_oop)

    def integrate1d_polar(
        self,
        polar_degrees: bool = True,
        radial_unit: str = "nm^-1",
        radial_integration: bool = False,
        **options: Any,
    ) -> Integrate1dFiberResult:
        """Integrate an image to intensity against q, or against the polar angle with radial integration."""
        unit_ip, unit_oop = _polar(polar_degrees, radial_unit)
        return self.integrate_fiber(
            **options, unit_ip=unit_ip, unit_oop=unit_oop, vertical_integration=radial_integration
        )

    def integrate2d_exitangles(self, angle_degrees: bool = True, **options: Any) -> Integrate2dFiberResult:
        """Integrate an image to intensity against exit angles, as pyFAI counts them."""
        unit_ip, unit_oop = _exit_angles(angle_degrees)
        return self.integrate2d_fiber(**options, unit_ip=unit_ip, unit_oop=unit_oop)

    def integrate1d_exitangles(
        self, angle_degrees: bool = True, vertical_integration: bool = True, **options: Any
    ) -> Integrate1dFiberResult:
        """Integrate an image to intensity against one exit angle, as pyFAI counts it."""
        unit_ip, unit_oop = _exit_angles(angle_degrees)
        return self.integrate_fiber(
            **options, unit_ip=unit_ip, unit_oop=unit_oop, vertical_integration=vertical_integration
        )

    def _axes(
        self, options: dict[str, Any], npt_ip: int | None, npt_oop: int | None
    ) -> tuple[Axis | None, Axis | None, Options]:
        """Return both axes, where they say something, and other options; set how the sample stands."""
        given = {name: options.pop(name, None) for name in _OWN}
        scale = radians(1.0) if str(given["angle_unit"] or "rad") == "deg" else 1.0
        incidence, tilt = (scale * (given[name] or 0.0) for name in _ANGLES)
        self.reset_integrator(incidence, tilt, given["sample_orientation"] or 1)
        options.setdefault("method", ("no", "histogram", "cython"))
        ip, oop = (
            _axis(given[f"unit_{name}"] or usual, npt, given[f"{name}_range"])
            for name, usual, npt in zip(("ip", "oop"), _USUAL, (npt_ip, npt_oop), strict=True)
        )
        return ip, oop, Options(**options)  # type: ignore[typeddict-item]

    def _beyond(self, axes: tuple[Axis | None, Axis | None]) -> dict[str, Any]:
        units = [unit_of(axis.unit) for axis in axes if axis is not None]
        if not any(unit.needs_sample for unit in units):
            return {}
        sample = self._sample
        if any(unit.name.startswith("exit") for unit in units):  # pyFAI's turn the sample the other way
            sample = Sample(-sample.incident_angle, -sample.tilt_angle, sample.orientation)
        return {"sample": sample}

    @staticmethod
    def _called_fiber(options: Options, name: str) -> Called:
        factor = options.get("polarization_factor")
        return Called(
            options.get("method"),
            factor[0] if isinstance(factor, tuple) else factor,
            options.get("normalization_factor") or 1.0,
            options.get("metadata"),
            method_called=name,
        )


def _turned(angle: float) -> float:
    """Return an angle between -π and π."""
    return float(angle - 2.0 * pi * np.round(angle / (2.0 * pi)))


def _axis(unit: object, npt: int | None, given: Any) -> Axis | None:
    limits = None if given is None else (float(min(given)), float(max(given)))
    return None if npt is None and limits is None else Axis(unit_of(unit).name, npt, limits)


def _slots(ip: Axis | None, oop: Axis | None) -> tuple[Axis | None, Axis | None]:
    """Return the radial and the azimuthal axis: a polar angle can be the second one only."""
    return (oop, ip) if ip is not None and ip.definition.kind == "azimuthal" else (ip, oop)


def _polar(degrees: bool, radial_unit: str) -> tuple[str, str]:
    return f"qtot_{'A' if radial_unit == 'A^-1' else 'nm'}^-1", f"chigi_{'deg' if degrees else 'rad'}"


def _exit_angles(degrees: bool) -> tuple[str, str]:
    unit = "deg" if degrees else "rad"
    return f"exit_angle_horz_{unit}", f"exit_angle_vert_{unit}"
