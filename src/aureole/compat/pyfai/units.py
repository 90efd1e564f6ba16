"""Units by pyFAI's names; each is the text of its name, so that it is equal to it."""

from __future__ import annotations

from typing import Any

from aureole.units import HC_KEV_M
from aureole.units import UNITS as _KNOWN
from aureole.units import unit as _find

hc = HC_KEV_M * 1e10
"""h c in keV Å."""


class Unit(str):
    """The name of a unit, with what plots and scripts ask of it.

    Attributes
    ----------
    name, space, unit_symbol, label : str
        Name; quantity and unit of which it is made; label of an axis.
    scale : float
        From pyFAI's base (rad, m, nm⁻¹) to this unit.
    """

    __slots__ = ()

    def __new__(cls, name: object) -> Unit:
        """Look the name up; raises `SpecError` where there is no such unit."""
        return super().__new__(cls, _find(str(name)).name)

    @property
    def name(self) -> str:
        """Such as ``2th_deg``."""
        return str(self)

    @property
    def space(self) -> str:
        """The quantity, such as ``2th``."""
        return str.split(self, "_")[0]

    short_name = space

    @property
    def unit_symbol(self) -> str:
        """The unit, such as ``deg``."""
        return str.partition(self, "_")[2]

    @property
    def label(self) -> str:
        """For the axis of a plot, in matplotlib's mathtext."""
        return _find(str(self)).label

    @property
    def scale(self) -> float:
        """What values in rad, m or nm⁻¹ are multiplied with."""
        from aureole.compat.pyfai.words import base_of

        found, base = _find(str(self)), _find(base_of(str(self)))
        return found.factor / base.factor


def to_unit(given: object, type_: Any = None) -> Unit:
    """Return the unit of a name; raises `SpecError` where there is none."""
    return Unit(given)


_NAMES = {
    "TTH_DEG": "2th_deg",
    "TTH_RAD": "2th_rad",
    "TTH": "2th_deg",
    "Q_NM": "q_nm^-1",
    "Q_A": "q_A^-1",
    "Q": "q_nm^-1",
    "R_MM": "r_mm",
    "R_M": "r_m",
    "R": "r_mm",
    "RecD2_NM": "d*2_nm^-2",
    "RecD2_A": "d*2_A^-2",
    "D_M": "d_m",
    "D_NM": "d_nm",
    "D_A": "d_A",
    "CHI_DEG": "chi_deg",
    "CHI_RAD": "chi_rad",
}
globals().update({constant: Unit(name) for constant, name in _NAMES.items()})

RADIAL_UNITS = {name: Unit(name) for name, known in _KNOWN.items() if known.kind != "azimuthal"}
AZIMUTHAL_UNITS = {name: Unit(name) for name, known in _KNOWN.items() if known.kind != "radial"}
ANY_UNITS = RADIAL_UNITS | AZIMUTHAL_UNITS
