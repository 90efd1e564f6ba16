"""Intensities on an absolute scale, in cm⁻¹, by what is known of water and of glassy carbon."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError

F64 = NDArray[np.float64]

WATER_TEMPERATURES = 0.0, 60.0
"""In °C, where `water_cross_section` holds."""

_ELECTRON_RADIUS = 2.8179403205e-13
"""Classical, in cm (CODATA 2022)."""
_BOLTZMANN = 1.380649e-23
_AVOGADRO = 6.02214076e23
_MOLAR_MASS, _ELECTRONS = 18.015268, 10
_DENSITY = (999.83952, 16.945176, -7.9870401e-3, -46.170461e-6, 105.56302e-9, -280.54253e-12)
_COMPRESSIBILITY = (50.88496, 0.6163813, 1.459187e-3, 20.08438e-6, -58.47727e-9, 410.4110e-12)

# NIST, certificate of SRM 3600 (2016): q in 1/Å, and dΣ/dΩ in 1/cm.
_CERTIFICATE = """
    0.00827568 34.933380 0.00888450 34.427156 0.00954735 34.042170 0.01026900 33.698553 0.01105780 33.352529
    0.01191830 33.027533 0.01286110 32.665045 0.01389340 32.306665 0.01502510 31.970485 0.01626850 31.559099
    0.01763650 31.183763 0.01914320 30.861805 0.02080510 30.514300 0.02264220 30.084982 0.02467500 29.690414
    0.02692890 29.249965 0.02943170 28.889970 0.03221560 28.449341 0.03531810 28.065980 0.03878270 27.704965
    0.04265880 27.331304 0.04700390 26.974065 0.05188580 26.676952 0.05738140 26.401158 0.06358290 26.177427
    0.07059620 25.904683 0.07854840 25.528734 0.08758630 24.917743 0.09788540 23.946472 0.10965500 22.472101
    0.11431200 21.777228 0.11839500 21.112938 0.12262400 20.401110 0.12314200 20.287060 0.12700400 19.685107
    0.13154000 18.909809 0.13623900 18.089242 0.13864300 17.679572 0.14110500 17.264117 0.14614500 16.372848
    0.15136500 15.458350 0.15651300 14.587700 0.15677100 14.563071 0.16237100 13.616671 0.16817000 12.668549
    0.17417700 11.752287 0.17718100 11.311460 0.18039800 10.862157 0.18684100 9.961979 0.19351500 9.116906
    0.20042700 8.325578 0.20116500 8.224897 0.20758600 7.541931 0.21500000 6.854391 0.22267900 6.216070
    0.22909500 5.715911 0.23063300 5.582366 0.23887100 4.999113 0.24740200 4.463604
"""
_CARBON = np.array(_CERTIFICATE.split(), np.float64).reshape(-1, 2)


class Scale(NamedTuple):
    """What turns intensities into cm⁻¹.

    Attributes
    ----------
    factor : float
        The intensity of a sample whose dΣ/dΩ times thickness is 1.
    error : float
        Standard error of the factor from the scatter of the points; that of the standard is not in it.
    """

    factor: float
    error: float

    def absolute(self, intensity: ArrayLike, thickness: float) -> F64:
        """Return dΣ/dΩ in cm⁻¹ of a sample of a thickness in metres, measured as the standard was."""
        if not thickness > 0.0:
            raise SpecError(f"a thickness of {thickness:g} m: it must be above zero")
        return np.asarray(intensity, np.float64) / (self.factor * thickness * 100.0)


def water_cross_section(temperature: float = 20.0) -> float:
    """Return dΣ/dΩ of water in cm⁻¹, as it is for small q: (z r_e n)² kT κ.

    z = 10 electrons a molecule, r_e the radius of the electron, n molecules a volume and κ the isothermal
    compressibility (density and κ by G. S. Kell, J. Chem. Eng. Data 20 (1975) 97). D. Orthaber, A. Bergmann
    and O. Glatter, J. Appl. Cryst. 33 (2000) 218, measure 0.01632 cm⁻¹ at 20 °C; this is 0.0164.

    Parameters
    ----------
    temperature : float
        In °C, from 0 to 60.

    Raises
    ------
    SpecError
        Another temperature.
    """
    low, high = WATER_TEMPERATURES
    if not low <= temperature <= high:
        raise SpecError(f"water at {temperature:g} °C: {low:g} to {high:g} °C is needed")
    density = _ratio(_DENSITY, 16.879850e-3, temperature)  # kg/m³
    compressibility = 1e-11 * _ratio(_COMPRESSIBILITY, 19.67348e-3, temperature)  # 1/Pa
    molecules = density * 1e-3 / _MOLAR_MASS * _AVOGADRO  # 1/cm³
    fluctuation = 1e6 * _BOLTZMANN * (temperature + 273.15) * compressibility  # cm³
    return float((_ELECTRONS * _ELECTRON_RADIUS * molecules) ** 2 * fluctuation)


def carbon_cross_section(q: ArrayLike) -> F64:
    """Return dΣ/dΩ of the glassy carbon NIST SRM 3600, in cm⁻¹, with a standard error of 2.6 %.

    A. J. Allen, F. Zhang, R. J. Kline, W. F. Guthrie and J. Ilavsky, J. Appl. Cryst. 50 (2017) 462; the
    points of the certificate are interpolated linearly.

    Parameters
    ----------
    q : array
        In nm⁻¹.

    Returns
    -------
    ndarray
        NaN outside of 0.083 to 2.47 nm⁻¹, where it is not certified.
    """
    return np.interp(np.asarray(q, np.float64), 10.0 * _CARBON[:, 0], _CARBON[:, 1], np.nan, np.nan)


def scale_by_carbon(q: ArrayLike, intensity: ArrayLike, *, thickness: float) -> Scale:
    """Return the scale that makes an intensity that of the glassy carbon NIST SRM 3600.

    Parameters
    ----------
    q : array, shape (n,)
        In nm⁻¹.
    intensity : array, shape (n,)
        Of the carbon, divided by its transmission and the flux of the beam, less that without it.
    thickness : float
        Of the carbon, in metres.

    Raises
    ------
    SpecError
        No points in the certified range, or a thickness that is not above zero.
    """
    known = carbon_cross_section(q)
    return _scale(np.asarray(intensity, np.float64), known, thickness, "0.083 to 2.47")


def scale_by_water(
    q: ArrayLike,
    intensity: ArrayLike,
    *,
    thickness: float,
    temperature: float = 20.0,
    q_range: tuple[float, float] = (1.0, 3.0),
) -> Scale:
    """Return the scale that makes an intensity that of water.

    Parameters
    ----------
    q : array, shape (n,)
        In nm⁻¹.
    intensity : array, shape (n,)
        Of the water, divided by its transmission and the flux of the beam, less that of the empty cell.
    thickness : float
        Of the water, in metres.
    temperature : float
        In °C.
    q_range : tuple of float
        Where it is taken to be flat, in nm⁻¹.

    Raises
    ------
    SpecError
        No points in the range, or a temperature or thickness that cannot be.
    """
    at = np.asarray(q, np.float64)
    inside = (at >= q_range[0]) & (at <= q_range[1])
    known = np.where(inside, water_cross_section(temperature), np.nan)
    return _scale(np.asarray(intensity, np.float64), known, thickness, f"{q_range[0]:g} to {q_range[1]:g}")


def _scale(intensity: F64, known: F64, thickness: float, where: str) -> Scale:
    if not thickness > 0.0:
        raise SpecError(f"a thickness of {thickness:g} m: it must be above zero")
    if intensity.shape != known.shape or known.ndim != 1:
        raise SpecError(f"{intensity.shape} intensities for {known.shape} values of q")
    each = intensity / (known * thickness * 100.0)
    each = each[np.isfinite(each)]
    if not each.size:
        raise SpecError(f"no intensity lies between q of {where} 1/nm, where the standard is known")
    factor = float(np.median(each))
    if not factor > 0.0:
        raise SpecError("the standard has no intensity above zero: is its background subtracted twice?")
    return Scale(factor, float(each.std() / np.sqrt(each.size)))


def _ratio(coefficients: tuple[float, ...], slope: float, temperature: float) -> float:
    powers = temperature ** np.arange(len(coefficients), dtype=np.float64)
    return float(np.dot(coefficients, powers)) / (1.0 + slope * temperature)
