"""How free atoms scatter X-rays: form factors, Compton scattering with recoil, means of a composition."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.units import HC_KEV_M

if TYPE_CHECKING:
    from aureole.pdf.composition import Composition

F64 = NDArray[np.float64]

HEAVIEST = 92
"""Atomic number up to which Compton scattering is tabulated."""
_ELECTRON_KEV = 510.99895069
_BOHR = 0.529177210544
_GAUSSIANS = 5


class Averages(NamedTuple):
    """Means over the atoms of a composition, in electron units: <f>, <f²>, and Compton scattering."""

    f: F64
    f2: F64
    compton: F64


@cache
def atomic_numbers() -> dict[str, int]:
    """Return the atomic numbers of all elements whose form factors are known, by symbol."""
    from xraydb import get_xraydb

    rows = get_xraydb().get_cache("Waasmaier")
    return {row.ion: int(row.atomic_number) for row in rows if row.ion == row.element}


def form_factor(symbol: str, q: F64) -> F64:
    """Return the elastic form factor f0 of a free neutral atom, in electrons.

    Parameters
    ----------
    symbol : str
    q : ndarray
        In 1/Å, up to 75.

    Notes
    -----
    D. Waasmaier and A. Kirfel, Acta Cryst. A51 (1995) 416, doi:10.1107/S0108767394013292, from the library
    xraydb.
    """
    from xraydb import get_xraydb

    return np.asarray(get_xraydb().f0(symbol, q / (4.0 * np.pi)), np.float64)


def compton(symbol: str, q: F64) -> F64:
    """Return the incoherently scattered intensity of a free atom, without recoil, in electron units.

    Parameters
    ----------
    symbol : str
    q : ndarray
        In 1/Å.

    Notes
    -----
    Analytic fit of H. H. M. Balyuzi, Acta Cryst. A31 (1975) 600, to self-consistent-field calculations; made
    for q up to 17.6, and on its way to the number of electrons beyond. Hydrogen is 1 - f² with
    f = (1 + (a₀q/2)²)⁻², which is exact.
    """
    if symbol == "H":
        return np.asarray(1.0 - (1.0 + (0.5 * _BOHR * q) ** 2) ** -4)
    number, a, b = _compton_table()[symbol]
    s2 = np.square(q / (4.0 * np.pi))
    bound = np.tensordot(a, np.exp(-np.multiply.outer(b, s2)), 1)
    return np.asarray(np.maximum(number - bound, 0.0))


@cache
def _compton_table() -> dict[str, tuple[int, F64, F64]]:
    text = files("aureole.pdf").joinpath("compton.csv").read_text(encoding="utf-8")
    table = {}
    for line in text.splitlines():
        if line.startswith(("#", "symbol")):
            continue
        symbol, number, *values = line.split(",")
        numbers = np.array(values, np.float64)
        table[symbol] = int(number), numbers[:_GAUSSIANS], numbers[_GAUSSIANS:]
    return table


def averages(composition: Composition, q: F64) -> Averages:
    """Return <f>, <f²> and the Compton scattering (without recoil) of a mean atom at each q (1/Å)."""
    f, f2, incoherent = np.zeros_like(q), np.zeros_like(q), np.zeros_like(q)
    for symbol, fraction in zip(composition.elements, composition.fractions, strict=True):
        single = form_factor(symbol, q)
        f += fraction * single
        f2 += fraction * single**2
        incoherent += fraction * compton(symbol, q)
    return Averages(f, f2, incoherent)


def cos_two_theta(q: F64, wavelength: float) -> F64:
    """Return the cosine of the scattering angle at each q (1/Å); the wavelength is in metres."""
    return np.asarray(1.0 - 2.0 * np.square(q * (wavelength * 1e10) / (4.0 * np.pi)))


def recoil(q: F64, wavelength: float, power: int) -> F64:
    """Return the Breit-Dirac factor (E'/E)ⁿ, by which recoil weakens Compton scattering.

    Parameters
    ----------
    q : ndarray
        In 1/Å.
    wavelength : float
        In metres.
    power : int
        2 for a detector that counts photons, 3 for one that adds up their energies.

    Notes
    -----
    E'/E = 1 / (1 + E (1 - cos 2θ) / mc²): G. Breit, Phys. Rev. 27 (1926) 362; P. A. M. Dirac, Proc. R. Soc. A
    111 (1926) 405.
    """
    loss = HC_KEV_M / wavelength / _ELECTRON_KEV * (1.0 - cos_two_theta(q, wavelength))
    return np.asarray((1.0 + loss) ** -power)


def polarization(q: F64, wavelength: float, factor: float) -> F64:
    """Return by how much a beam of a polarization factor scatters less in the plane where it is horizontal.

    ½ (1 + cos²2θ - factor (1 - cos²2θ)): 0 is an unpolarised beam, or the mean over whole rings of any beam;
    1 is horizontal scattering of a beam that is polarised horizontally.
    """
    square = np.square(cos_two_theta(q, wavelength))
    return np.asarray(0.5 * (1.0 + square - factor * (1.0 - square)))
