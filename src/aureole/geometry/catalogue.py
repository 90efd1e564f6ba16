"""The detectors that are known by name: facts from ``detectors.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from aureole.errors import GeometryError
from aureole.geometry.layout import Layout, Pair, checked_seams, pair
from aureole.geometry.sensor import Sensor
from aureole.geometry.surface import Cylinder, Surface, surface_from_dict

SAME_PIXEL = 0.02
"""Relative difference up to which a refined pixel size still means that of the catalogue, or of a file."""

GENERIC = "Detector"
"""Name of a detector of which only the pixel size is known."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to read a detector out: pixel size (m) and number of pixels along both axes."""

    pixel: tuple[float, float]
    shape: Pair | None


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a detector by its name.

    Attributes
    ----------
    name : str
        As PONI files have it.
    modes : tuple of Mode
        The official binnings; the first is what is meant when nothing is said.
    free_binning : bool
        Whether any whole-numbered binning of the first mode is possible.
    layout : Layout
        Modules and gaps.
    surface : Surface or None
        Where the pixels are, if they form no flat grid.
    invalid : tuple of int
        Raw values by which the detector says that a pixel has no value; ``-1`` in an unsigned frame means all
        bits set, and so on.
    manufacturer : str
        Who makes it.
    sensor : Sensor or None
        What it is sold with, where that is known; a thickness where there is one only.
    """

    name: str
    modes: tuple[Mode, ...]
    free_binning: bool
    layout: Layout
    surface: Surface | None
    invalid: tuple[int, ...]
    manufacturer: str
    sensor: Sensor | None


def find_model(name: str) -> Model:
    """Find a detector by any of the ways in which people write its name.

    Case, spaces, underscores, dashes and dots do not matter, nor does the place of ``CdTe``; the generation
    and variant marks of Dectris that do not change the geometry (``Pilatus3 X``, ``Eiger2 XE``) are passed
    over.

    Raises
    ------
    GeometryError
        No such detector; near names are listed.
    """
    catalogue = _catalogue()
    found = catalogue.get(_key(name))
    if found is None:
        raise GeometryError(f"unknown detector {name!r}: {_hint(name)}")
    return found


def model_names() -> list[str]:
    """Return the names of all known detectors."""
    return sorted({model.name for model in _catalogue().values()})


def usual_sensor(name: str) -> Sensor | None:
    """Return what a detector of a name is sold with; None where that, or the name, is not known."""
    model = _catalogue().get(_key(name))
    return None if model is None else model.sensor


def choose_mode(
    model: Model, axis: int, pixel: float | None, shape: Pair | None
) -> tuple[float, int | None, int]:
    """Choose the readout along one axis: pixel size, number of pixels, binning of the layout.

    Raises
    ------
    GeometryError
        The detector does not have pixels of this size (m).
    """
    first = model.modes[0]
    if model.free_binning:
        factor = 1 if pixel is None else max(1, round(pixel / first.pixel[axis]))
        if pixel is None and shape is not None and first.shape is not None:
            factor = _binning_of(first.shape, shape)
        expected = factor * first.pixel[axis]
        count = None if first.shape is None else first.shape[axis] // factor
        if pixel is not None and abs(pixel / expected - 1.0) > SAME_PIXEL:
            raise GeometryError(_wrong_pixel(model, axis, pixel))
        return pixel or expected, count, factor
    fitting = [m for m in model.modes if pixel is None or abs(pixel / m.pixel[axis] - 1.0) < SAME_PIXEL]
    if not fitting:
        assert pixel is not None
        raise GeometryError(_wrong_pixel(model, axis, pixel))
    chosen: Mode = next((m for m in fitting if shape is not None and m.shape == shape), fitting[0])
    count = None if chosen.shape is None else chosen.shape[axis]
    return pixel or chosen.pixel[axis], count, 1


def _binning_of(full: Pair, shape: Pair) -> int:
    """Return the binning that gives images of a shape; 1 where no plain binning does."""
    factor = max(1, full[0] // shape[0])
    return factor if (full[0] // factor, full[1] // factor) == shape else 1


def _wrong_pixel(model: Model, axis: int, pixel: float) -> str:
    sizes = ", ".join(f"{mode.pixel[axis] * 1e6:g}" for mode in model.modes)
    more = " or a multiple" if model.free_binning else ""
    return (
        f"detector {model.name} has pixels of {sizes} µm{more}, not of {pixel * 1e6:g} µm: "
        "correct pixel1 and pixel2, or call it 'Detector'"
    )


def _hint(name: str) -> str:
    catalogue = _catalogue()
    near = dict.fromkeys(
        catalogue[key].name for key in get_close_matches(_key(name), catalogue, n=4, cutoff=0.6)
    )
    if near:
        return f"did you mean {', '.join(near)}?"
    return "give a known name, or 'Detector' with pixel1, pixel2 (m) and max_shape"


def _key(name: str) -> str:
    text = name.strip().casefold()
    text = re.sub(r"^dectris[\s_-]*", "", text)
    cdte = "cdte" in text
    text = text.replace("cdte", " ")
    # Pilatus3 differs from Pilatus in its electronics only. "Pilatus 300k" is none.
    text = re.sub(r"^pilatus\s*3(?:[\s_-]*[xsr](?![a-z])|[xsr](?=\d)|(?=[\s_-]))", "pilatus ", text)
    if re.match(r"pilatus|eiger", text):
        text = re.sub(
            r"^(pilatus|eiger)(\s*[24](?!\d))?[\s_-]*(?:xe|[xsr]|si)(?=[\s_-]|\d|$)", r"\1\2 ", text
        )
        text = re.sub(r"[\s_-]si\b", "", text)
    return re.sub(r"[\s_.\-]+", "", text) + ("cdte" if cdte else "")


def _modes(facts: Mapping[str, Any]) -> tuple[Mode, ...]:
    if "modes" in facts:
        return tuple(Mode((pixel, pixel), (rows, columns)) for pixel, rows, columns in facts["modes"])
    shape = pair(facts["shape"]) if "shape" in facts else None
    if "binnings" not in facts:
        pixel1, pixel2 = facts["pixel"]
        return (Mode((float(pixel1), float(pixel2)), shape),)
    assert shape is not None
    modes = [
        (binning, Mode((pixel, pixel), (shape[0] // binning, shape[1] // binning)))
        for binning, pixel in facts["binnings"]
    ]
    modes.sort(key=lambda item: item[0] != facts.get("binning", 1))
    return tuple(mode for _, mode in modes)


def _model(name: str, facts: Mapping[str, Any]) -> Model:
    surface = surface_from_dict(facts["surface"]) if "surface" in facts else None
    return Model(
        name=name,
        modes=_modes(facts),
        free_binning=not {"binnings", "modes"} & facts.keys()
        and (surface is None or isinstance(surface, Cylinder)),
        layout=Layout(
            module=pair(facts["module"]) if "module" in facts else None,
            gap=pair(facts.get("gap", (0, 0))),
            seams=checked_seams(facts.get("seams", ((), ()))),
            circle=facts.get("circle", False),
            tiles=tuple(pair(tile) for tile in facts.get("tiles", ())),
            wide=facts.get("wide", 1.0),
        ),
        surface=surface,
        invalid=tuple(facts.get("invalid", ())),
        manufacturer=facts.get("manufacturer", ""),
        sensor=Sensor(*facts["sensor"]) if "sensor" in facts else None,
    )


@cache
def _catalogue() -> dict[str, Model]:
    text = files("aureole.geometry").joinpath("detectors.toml").read_text(encoding="utf-8")
    catalogue: dict[str, Model] = {}
    for family in tomllib.loads(text).values():
        common = {key: value for key, value in family.items() if key != "models"}
        for name, own in family["models"].items():
            model = _model(name, common | own)
            for alias in (name, *own.get("aliases", ())):
                if catalogue.setdefault(_key(alias), model) is not model:
                    raise AssertionError(f"detectors.toml: {alias!r} stands for two detectors")
    return catalogue
