"""Accessors of pyFAI's integrators: for each thing that can be read or set, a function that does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aureole.errors import SpecError

_NUMBERS = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "pixel1", "pixel2", "wavelength", "energy")
_OTHERS = ("mask", "parallax")
_ARRAYS = {
    "ttha": "twoThetaArray",
    "chia": "chiArray",
    "qa": "qArray",
    "ra": "rArray",
    "dssa": "solidAngleArray",
}
_SPLINES = ("spline", "splineFile", "splinefile", "correct_SA_spline")


def give_accessors(cls: type) -> None:
    """Give a class `get_x` and `set_x` for its numbers, and names of arrays that it computes."""
    for name in (*_NUMBERS, *_OTHERS):
        give_pair(cls, name)
    for name, method in _ARRAYS.items():
        setattr(cls, name, property(_calling(method), _refusing(name)))
        setattr(cls, f"get_{name}", _calling(method))
        setattr(cls, f"set_{name}", _refusing(name))
        setattr(cls, f"del_{name}", _nothing)
    for name in _SPLINES:
        setattr(cls, name, property(lambda self: None, _refusing(name)))
    for name in ("spline", "splineFile", "correct_solid_angle_for_spline"):
        setattr(cls, f"get_{name}", _nothing)
        setattr(cls, f"set_{name}", _refusing(name))


def give_pair(cls: type, name: str) -> None:
    """Give a class `get_name` and `set_name`."""

    def get(self: Any) -> Any:
        return getattr(self, name)

    def put(self: Any, value: Any) -> None:
        setattr(self, name, value)

    get.__doc__, put.__doc__ = f"Return `{name}`.", f"Set `{name}`."
    for prefix, function in (("get", get), ("set", put)):
        if not hasattr(cls, f"{prefix}_{name}"):
            setattr(cls, f"{prefix}_{name}", function)


def _calling(method: str) -> Callable[..., Any]:
    def get(self: Any) -> Any:
        return getattr(self, method)()

    return get


def _refusing(name: str) -> Callable[..., None]:
    def put(self: Any, value: Any) -> None:
        if value is not None:
            raise SpecError(f"{name} follows from detector and geometry: set those")

    return put


def _nothing(self: Any) -> None:
    return None
