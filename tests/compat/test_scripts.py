"""Scripts as users write them run twice, with pyFAI and with its names here, and give the same.

Each script ends with lines ``# compare: NAME TOLERANCE, ...``: values of that name must agree in 99 of 100
places, relative to their size or, where they are small, to a thousandth of the largest.
"""

import logging
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from fabio.edfimage import EdfImage

import aureole
from aureole.calibration import calibrant

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
PONI = """poni_version: 2.1
Detector: Pilatus300k
Detector_config: {"orientation": 3}
Distance: 0.12
Poni1: 0.0526
Poni2: 0.0431
Rot1: 0.031
Rot2: -0.022
Rot3: 0.4
Wavelength: 0.7e-10
"""


def made_to_ours(text):
    """Return a script with our module in the place of pyFAI, as a user would replace it."""
    text = re.sub(r"^import pyFAI$", "import aureole.compat.pyfai as pyFAI", text, flags=re.MULTILINE)
    return re.sub(r"^from pyFAI\b", "from aureole.compat.pyfai", text, flags=re.MULTILINE)


def run(text, folder, monkeypatch):
    folder.mkdir()
    for path in folder.parent.joinpath("data").iterdir():
        (folder / path.name).symlink_to(path)
    monkeypatch.chdir(folder)
    names = {"__name__": "__main__"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            exec(compile(text, "script", "exec"), names)
        finally:
            logging.disable(logging.NOTSET)
    return names


def apart(ours, theirs):
    """Return how far apart 99 of 100 values are at most."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    assert ours.shape == theirs.shape
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    least = 1e-3 * np.nanmax(np.abs(theirs), initial=0.0) + 1e-300
    off = np.nan_to_num(np.abs(ours - theirs) / np.maximum(np.abs(theirs), least))
    return float(np.quantile(off, 0.99))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Frames of ceria with gaps, a dark, a flat and a mask, and their PONI."""
    folder = tmp_path_factory.mktemp("scripts") / "data"
    folder.mkdir()
    (folder / "detector.poni").write_text(PONI)
    geometry = aureole.load(folder / "detector.poni")
    rng = np.random.default_rng(7)
    place = geometry.center_array("2th_rad")
    rings = calibrant("CeO2").two_theta(geometry.wavelength, 0.9)
    expected = 200.0 + sum(
        3000.0 / (1 + n) * np.exp(-((place - at) ** 2) / 2e-6) for n, at in enumerate(rings)
    )
    expected = expected * geometry.solid_angle() * geometry.polarization(0.95)
    gaps = geometry.detector.mask
    for number in range(3):
        frame = rng.poisson(expected * (1.0 + 0.1 * number)).astype(np.int32)
        frame[gaps] = -1
        frame[100 + number, 200] = -2
        header = {"monitor": str(1000 + 100 * number)}
        EdfImage(data=frame, header=header).write(str(folder / f"frame_{number:04d}.edf"))
    mask = np.zeros(geometry.shape, np.uint8)
    mask[:20, :30] = 1
    mask[300:330, 240:260] = 1
    EdfImage(data=mask).write(str(folder / "mask.edf"))
    for number in range(2):
        dark = rng.normal(10.0, 1.0, geometry.shape).astype(np.float32)
        EdfImage(data=dark).write(str(folder / f"dark_{number}.edf"))
    flat = rng.normal(1.0, 0.02, geometry.shape).astype(np.float32)
    EdfImage(data=flat).write(str(folder / "flat.edf"))
    return folder


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_gives_the_same_with_both(script, data, tmp_path, monkeypatch):
    text = script.read_text("utf-8")
    wanted = re.findall(r"(\w+) ([\d.e-]+)", " ".join(re.findall(r"^# compare: (.*)$", text, re.MULTILINE)))
    assert wanted
    (tmp_path / "data").symlink_to(data)
    theirs = run(text, tmp_path / "theirs", monkeypatch)
    ours = run(made_to_ours(text), tmp_path / "ours", monkeypatch)
    assert "aureole" in made_to_ours(text)
    for name, tolerance in wanted:
        assert apart(ours[name], theirs[name]) <= float(tolerance), name


def test_there_are_two_dozen_scripts():
    assert len(SCRIPTS) >= 24
