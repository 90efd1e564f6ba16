"""The coordinates in which patterns are made: a registry of names and of what each means.

Every unit is ``function(factor * base)`` or, where it depends on the wavelength, ``function(factor * base /
λ)``, with one of a few geometric bases that the geometry computes. So this table is all there is to say about
a unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from math import pi
from typing import Literal, get_args

from aureole.errors import GeometryError, SpecError

HC_KEV_M = 1.2398419843320026e-9
"""h c in keV m (exact in the SI since 2019): a wavelength in metres times its photon energy in keV."""

Kind = Literal["radial", "azimuthal", "either"]
OfSample = Literal[
    "out_of_plane", "across", "along", "in_plane", "polar", "exit_vert", "exit_horz", "ray_vert", "ray_horz"
]
Base = Literal["r", "2theta", "sin_theta", "qx", "qy", "chi", "slow", "fast"] | OfSample


@dataclass(frozen=True, slots=True)
class Unit:
    """One coordinate of a pattern, with its unit.

    Attributes
    ----------
    name : str
        The name that users write, such as ``"q_nm^-1"``.
    kind : {"radial", "azimuthal", "either"}
        Which axis it belongs to.
    label : str
        For the axis of a plot (matplotlib's mathtext).
    base : str
        The geometric quantity it is made of: ``"r"`` (m, distance from the beam axis), ``"2theta"`` (rad),
        ``"sin_theta"`` (sine of half the scattering angle), ``"qx"`` and ``"qy"`` (the same for the
        projections on the planes of the fast and the slow axis, signed), ``"chi"`` (rad), ``"slow"`` and
        ``"fast"`` (m, along the detector from the PONI). Of the momentum transfer in a sample, times λ / 2π:
        ``"out_of_plane"``, ``"across"`` and ``"along"`` (in its plane, across and along the beam),
        ``"in_plane"`` (what these two make, with the sign of the first), ``"polar"`` (rad, from the normal
        towards the plane). Of the ray from the sample: ``"exit_vert"`` (rad, above its plane) and
        ``"exit_horz"`` (rad, in its plane, from the beam); ``"ray_vert"`` and ``"ray_horz"`` are the same had
        the sample neither incidence nor tilt.
    factor : float
        What the base is multiplied with, in SI units.
    function : str
        What is applied after that; ``"identity"`` for most.
    needs_wavelength : bool
        Whether ``factor * base`` is divided by the wavelength (m).
    positive : bool
        Whether the coordinate cannot be negative.
    period : float or None
        Length of a turn, for angles around the beam.
    """

    name: str
    kind: Kind
    label: str
    base: Base
    factor: float = 1.0
    function: str = "identity"
    needs_wavelength: bool = False
    positive: bool = True
    period: float | None = None

    @property
    def needs_sample(self) -> bool:
        """Whether it depends on how the sample stands in the beam."""
        return self.base in get_args(OfSample)

    def scale(self, wavelength: float | None) -> float:
        """Return what the base is multiplied with, the wavelength (m) included.

        Raises
        ------
        GeometryError
            The unit needs a wavelength and there is none.
        """
        if not self.needs_wavelength:
            return self.factor
        if wavelength is None:
            raise GeometryError(
                f"{self.name} needs a wavelength and the geometry has none: give a wavelength or an energy"
            )
        return self.factor / wavelength


_DEGREE = 180.0 / pi


def _q(name: str, label: str, factor: float, function: str = "identity", *, positive: bool = True) -> Unit:
    return Unit(name, "radial", label, "sin_theta", factor, function, True, positive)


def _signed(name: str, label: str, base: Base, factor: float = 1.0, *, wavelength: bool = False) -> Unit:
    return Unit(name, "either", label, base, factor, "identity", wavelength, False)


def _of_sample() -> Iterator[Unit]:
    """Yield the coordinates of grazing incidence and of fibres."""
    for symbol, text, factor in (("nm", "nm$^{-1}$", 2e-9 * pi), ("A", "Å$^{-1}$", 2e-10 * pi)):
        for name, label, base in _TRANSFERS:
            yield _signed(f"{name}_{symbol}^-1", f"{label} ({text})", base, factor, wavelength=True)
        label = rf"Scattering vector $q$ ({text})"
        yield Unit(f"qtot_{symbol}^-1", "either", label, "sin_theta", 2.0 * factor, "identity", True)
    for symbol, text, factor in (("deg", "°", _DEGREE), ("rad", "rad", 1.0)):
        for name, label, base in _ANGLES:
            yield _signed(f"{name}_{symbol}", f"{label} ({text})", base, factor)
        label = rf"Polar angle $\chi_{{GI}}$ ({text})"
        turn = 2.0 * pi * factor if symbol == "rad" else 360.0
        yield Unit(f"chigi_{symbol}", "azimuthal", label, "polar", factor, positive=False, period=turn)


_TRANSFERS: tuple[tuple[str, str, Base], ...] = (
    ("qip", r"In-plane $q_{IP}$", "in_plane"),
    ("qoop", r"Out-of-plane $q_{OOP}$", "out_of_plane"),
    ("qxgi", r"Across the beam $q_x$", "across"),
    ("qygi", r"Out-of-plane $q_y$", "out_of_plane"),
    ("qzgi", r"Along the beam $q_z$", "along"),
)
_ANGLES: tuple[tuple[str, str, Base], ...] = (
    ("exit_angle_vert", "Exit angle above the plane", "exit_vert"),
    ("exit_angle_horz", "Exit angle in the plane", "exit_horz"),
    ("scattering_angle_vert", "Vertical scattering angle", "ray_vert"),
    ("scattering_angle_horz", "Horizontal scattering angle", "ray_horz"),
)

_UNITS = (
    Unit("r_mm", "radial", r"Radius $r$ (mm)", "r", 1e3),
    Unit("r_m", "radial", r"Radius $r$ (m)", "r"),
    Unit("2th_deg", "radial", r"Scattering angle $2\theta$ (°)", "2theta", _DEGREE),
    Unit("2th_rad", "radial", r"Scattering angle $2\theta$ (rad)", "2theta"),
    _q("q_nm^-1", r"Scattering vector $q$ (nm$^{-1}$)", 4e-9 * pi),
    _q("q_A^-1", r"Scattering vector $q$ (Å$^{-1}$)", 4e-10 * pi),
    _q("d_m", r"Spacing $d$ (m)", 2.0, "reciprocal"),
    _q("d_nm", r"Spacing $d$ (nm)", 2e-9, "reciprocal"),
    _q("d_A", r"Spacing $d$ (Å)", 2e-10, "reciprocal"),
    _q("d*2_A^-2", r"Squared reciprocal spacing $d^{*2}$ (Å$^{-2}$)", 2e-10, "square"),
    _q("d*2_nm^-2", r"Squared reciprocal spacing $d^{*2}$ (nm$^{-2}$)", 2e-9, "square"),
    _q("log10(q.m)_None", r"$\log_{10}(q\cdot$m$)$", 4.0 * pi, "log10", positive=False),
    _q("log(q.nm)_None", r"$\ln(q\cdot$nm$)$", 4e-9 * pi, "log", positive=False),
    _q("log(1+q.nm)_None", r"$\ln(1+q\cdot$nm$)$", 4e-9 * pi, "log1p"),
    _q("log(1+q.A)_None", r"$\ln(1+q\cdot$Å$)$", 4e-10 * pi, "log1p"),
    _q("arcsinh(q.nm)_None", r"arsinh$(q\cdot$nm$)$", 4e-9 * pi, "arcsinh"),
    _q("arcsinh(q.A)_None", r"arsinh$(q\cdot$Å$)$", 4e-10 * pi, "arcsinh"),
    Unit("qx_nm^-1", "either", r"$q_x$ (nm$^{-1}$)", "qx", 4e-9 * pi, "identity", True, False),
    Unit("qy_nm^-1", "either", r"$q_y$ (nm$^{-1}$)", "qy", 4e-9 * pi, "identity", True, False),
    Unit("chi_rad", "azimuthal", r"Azimuth $\chi$ (rad)", "chi", 1.0, positive=False, period=2.0 * pi),
    Unit("chi_deg", "azimuthal", r"Azimuth $\chi$ (°)", "chi", _DEGREE, positive=False, period=360.0),
    *_of_sample(),
    _signed("p1_m", r"Position along the slow axis $p_1$ (m)", "slow"),
    _signed("p2_m", r"Position along the fast axis $p_2$ (m)", "fast"),
)

UNITS: dict[str, Unit] = {entry.name: entry for entry in _UNITS}
"""All units by name."""


def unit(name: str | Unit, kind: Literal["radial", "azimuthal"] | None = None) -> Unit:
    """Look a unit up by its name.

    Parameters
    ----------
    name : str or Unit
        Such as ``"2th_deg"``; a `Unit` is returned as it is.
    kind : {"radial", "azimuthal"}, optional
        Insist on this kind.

    Raises
    ------
    SpecError
        There is no such unit (near names are listed), or it is of the other kind.
    """
    if isinstance(name, Unit):
        found: Unit | None = name
    else:
        found = UNITS.get(name)
    if found is None:
        names = [entry.name for entry in _UNITS if kind is None or entry.kind in (kind, "either")]
        folded = {entry.casefold(): entry for entry in names}
        near = [folded[match] for match in get_close_matches(str(name).casefold(), folded, n=3, cutoff=0.4)]
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        raise SpecError(f"unknown unit {name!r}: {hint}")
    if kind is not None and found.kind not in (kind, "either"):
        raise SpecError(f"unit {found.name} is {found.kind}, where one of {kind} kind is needed")
    return found
