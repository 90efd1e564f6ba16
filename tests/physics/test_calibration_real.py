"""Calibration of real images of ceria, against the PONI files that people made of them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ring_residuals import ring_residuals, rms

import aureole
from aureole.calibration import Start, calibrant, calibrate
from aureole.io import read_image

FOLDER = "powder/ceo2_pilatus2m"
DIAMOND = "powder/ceo2_pilatus2m_cdte/{0}-pilatus2M-files"


@pytest.fixture(scope="module")
def ceria(data):
    image = read_image(data / FOLDER / "CeO2.cbf")
    return SimpleNamespace(
        image=image,
        mask=read_image(data / FOLDER / "mask.edf"),
        poni=aureole.load(data / FOLDER / "CeO2.poni"),
        result=calibrate(image, aureole.detector("Pilatus2MCdTe"), calibrant("CeO2"), 12.39841984e-10 / 71.0),
    )


def test_ceria_from_nothing_but_detector_energy_and_calibrant(ceria):
    found, expected = ceria.result.geometry, ceria.poni
    assert found.dist == pytest.approx(expected.dist, rel=2e-4)
    assert found.beam_center() == pytest.approx(expected.beam_center(), abs=0.1)
    assert ceria.result.verdict.seen == ceria.result.verdict.expected > 30
    assert ceria.result.notes == ()


def test_rings_of_ceria_are_nearer_to_their_places_than_with_the_poni(ceria):
    ours, theirs = (
        ring_residuals(ceria.image, geometry, calibrant("CeO2"), ceria.mask, low=3.0, high=18.0)
        for geometry in (ceria.result.geometry, ceria.poni)
    )
    assert min(ours.size, theirs.size) > 550
    assert rms(ours) < rms(theirs)


@pytest.mark.parametrize("run", ["103852", "103853"])
def test_two_distances_at_i12(data, run):
    """The image is stored up-down; rot1, rot2 and the PONI trade places, so the beam centre is compared."""
    folder = data / DIAMOND.format(run)
    image = read_image(folder / "00001.cbf")
    detector = aureole.detector("Pilatus2MCdTe", orientation=2)
    found = calibrate(image, detector, calibrant("CeO2"), 1.2423e-11).geometry
    ponis = [aureole.load(path) for path in sorted(folder.glob("*.poni"))]
    assert len(ponis) == 2
    residuals = []
    for poni in ponis:
        whole = replace(poni, detector=detector)
        assert found.dist == pytest.approx(poni.dist, rel=5e-4)
        assert found.beam_center() == pytest.approx(whole.beam_center(), abs=0.5)
        residuals.append(rms(ring_residuals(image, whole, calibrant("CeO2"), None, low=2.2, high=10.5)))
    ours = rms(ring_residuals(image, found, calibrant("CeO2"), None, low=2.2, high=10.5))
    assert ours < min(residuals)


@pytest.mark.parametrize(("dist", "off"), [(1.2, (0.2, -0.2)), (0.8, (-0.2, 0.2))])
def test_a_start_that_is_20_percent_off(ceria, dist, off):
    size = np.array(ceria.image.shape)
    centre = np.array(ceria.poni.beam_center()) + size * off
    start = Start(dist=dist * ceria.poni.dist, center=tuple(centre))
    found = calibrate(
        ceria.image, ceria.result.geometry.detector, calibrant("CeO2"), ceria.poni.wavelength, start=start
    ).geometry
    assert found.dist == pytest.approx(ceria.poni.dist, rel=2e-4)
    assert found.beam_center() == pytest.approx(ceria.poni.beam_center(), abs=0.1)
