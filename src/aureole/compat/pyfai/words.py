"""What pyFAI's words for methods, units and error models mean here."""

from __future__ import annotations

from typing import Any, get_args

from aureole.azimuthal.spec import ErrorModel, Split
from aureole.errors import SpecError
from aureole.units import Unit, unit

_FULL = ("full", "splitpix", "splitpixel")
_WHOLE = ("no", "nosplit", "numpy", "cython")
_MODELS: dict[str, ErrorModel | None] = {
    "": None,
    "no": None,
    "none": None,
    "variance": "variance",
    "poisson": "poisson_floor",
    "azimuthal": "azimuthal",
}


def split_of(method: object) -> Split:
    """Return the splitting that a method means; algorithm and implementation have no counterpart.

    Parameters
    ----------
    method : str or tuple or object
        ``("bbox", "csr", "cython")``, an old name such as ``"splitpixel"`` or ``"nosplit_csr"``, or an
        object with an attribute `split`. ``"*"`` and names without a splitting mean ``"bbox"``.

    Raises
    ------
    SpecError
        It is none of these.
    """
    if isinstance(method, str):
        words = method.casefold().replace(",", "_").replace("-", "_").split("_")
        if any(word in _FULL for word in words):
            return "full"
        if words[0] in _WHOLE:
            return "no"
        return "pseudo" if "pseudo" in words else "bbox"
    first: Any = getattr(method, "split", None) if not isinstance(method, tuple | list) else method[0]
    if first is None or first == "*":
        return "bbox"
    name = str(first).casefold()
    if name not in get_args(Split):
        raise SpecError(f"method {method!r}: the splitting is one of {', '.join(get_args(Split))}")
    return name  # type: ignore[return-value]


def unit_of(given: object) -> Unit:
    """Return the unit of a name, or of an object whose text is one, as pyFAI's are."""
    return unit(given if isinstance(given, Unit) else str(given))


def is_hybrid(given: object) -> bool:
    """Return whether pixels are clipped by their scatter, and errors are those of counts."""
    return str(getattr(given, "name", given) or "").casefold() == "hybrid"


def error_model_of(given: object, variance: object) -> ErrorModel | None:
    """Return the error model of one of pyFAI's; a variance that is given is one.

    Raises
    ------
    SpecError
        There is no such model here.
    """
    name = str(getattr(given, "name", given) or "").casefold()
    if variance is not None:
        name = "variance"
    if name not in _MODELS:
        known = ", ".join(word for word in _MODELS if word)
        raise SpecError(f"error_model {given!r}: it is one of {known}")
    return _MODELS[name]


def base_of(name: str) -> str:
    """Return the unit in which pyFAI computes before it scales: rad, m or nm⁻¹."""
    for start, base in (("2th", "2th_rad"), ("r_", "r_m"), ("chi", "chi_rad"), ("q_", "q_nm^-1")):
        if name.startswith(start):
            return base
    return name
