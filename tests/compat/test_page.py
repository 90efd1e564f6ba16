"""The page that compares with pyFAI names every public thing of it, and what it calls the same is there."""

import importlib
import inspect
import logging
import re
import warnings
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

import aureole.compat.pyfai as door
from aureole.compat.pyfai.containers import SeparateResult

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/pyfai.md"
CLASSES = (
    "integrator.azimuthal.AzimuthalIntegrator",
    "integrator.fiber.FiberIntegrator",
    "geometry.Geometry",
    "multi_geometry.MultiGeometry",
    "detectors.Detector",
    "calibrant.Calibrant",
    "containers.Integrate1dResult",
    "containers.Integrate2dResult",
    "containers.SeparateResult",
)
MODULES = [
    "average",
    "blob_detection",
    "calibrant",
    "containers",
    "control_points",
    "crystallography.resolution",
    "detectors.multi_module",
    "diffmap",
    "distortion",
    "geometryRefinement",
    "goniometer",
    "grid",
    "io.ponifile",
    "io.sparse_frame",
    "io.spots",
    "io.xrdml",
    "massif",
    "multi_geometry",
    "parallax",
    "ring_extraction",
    "spline",
    "worker",
]
BASICS = {*dir(tuple), *dir(dict)}


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text("utf-8")


@pytest.fixture(scope="module")
def named(page):
    """All words in backticks."""
    return {word for piece in re.findall(r"`([^`\n]+)`", page) for word in piece.split()}


def stem(name):
    return re.sub(r"^(get|set|del)_", "", name)


def imported(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            return importlib.import_module(f"pyFAI.{path}")
        finally:
            logging.disable(logging.NOTSET)


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.mark.parametrize("path", CLASSES)
def test_every_public_attribute_is_on_the_page(path, named):
    module, _, name = path.rpartition(".")
    found = public(getattr(imported(module), name)) - BASICS
    missing = {attribute for attribute in found if attribute not in named and stem(attribute) not in named}
    assert not missing


@pytest.mark.parametrize("path", MODULES)
def test_every_class_and_function_is_on_the_page(path, named):
    module = imported(path)
    found = {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
    }
    assert not found - named


def test_every_program_unit_detector_and_calibrant_is_on_the_page(named):
    scripts = {entry.name for entry in distribution("pyFAI").entry_points if "scripts" in entry.group}
    assert scripts
    detectors = {kind.__name__ for kind in imported("detectors").ALL_DETECTORS.values()}
    calibrants = set(imported("calibrant").CALIBRANT_FACTORY.keys())
    units = set(imported("units").ANY_UNITS)
    assert not (scripts | detectors | calibrants | units) - named


def same(page, heading):
    """Return the names in rows of a section that say that the same call is in the door."""
    section = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \| same \|", section, re.MULTILINE)
    assert rows
    return {name for row in rows for name in re.findall(r"`([\w]+)`", row)}


def test_what_the_page_calls_the_same_is_there(page):
    ai = door.AzimuthalIntegrator(0.1, 0.01, 0.04, detector="Pilatus100k", wavelength=1e-10)
    image = np.ones((195, 487))
    results = (
        ai.integrate1d(image, 10, unit="2th_deg"),
        ai.integrate2d(image, 10, 10, unit="2th_deg"),
        ai.separate(image, 10),
        door.containers,
    )
    multi = door.MultiGeometry([ai])
    for heading, things in (
        ("Integrators", (ai, multi, door, door.FiberIntegrator())),
        ("Geometry", (ai,)),
        ("Detectors", (ai.detector, ai, door.detectors)),
        ("Calibrants", (door.get_calibrant("CeO2"), door.calibrant)),
        ("Results", results),
    ):
        for name in same(page, heading):
            wanted = (name, f"get_{name}")
            assert any(hasattr(thing, each) for thing in things for each in wanted), (heading, name)
    assert isinstance(results[2], SeparateResult)


def test_calibrants_and_detectors_of_the_page_are_known(page):
    for name in re.findall(r"`(\S+)`", page.split("Names:\n")[1].split("\n\n")[0]):
        assert door.get_calibrant(name).name
    names = page.split("Names, each")[1].split("\n## ")[0]
    for name in re.findall(r"`(\S+)`", names):
        if name != "Detector":
            door.detector_factory(name)
