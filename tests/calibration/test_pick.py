"""One ring is followed from a point on it, across gaps and all the way round."""

import numpy as np
import pytest
from powder_image import powder_image

import aureole
from aureole.calibration import calibrant, pick, usable_pixels
from aureole.errors import CalibrationError, SpecError

GEOMETRY = aureole.Geometry(
    aureole.detector("Pilatus 300k"), 0.12, 0.055, 0.04, 0.05, -0.04, wavelength=3.1e-11
)
TWO_THETA = GEOMETRY.center_array("2th_rad")
RING = float(calibrant("CeO2").two_theta(GEOMETRY.wavelength)[2])


@pytest.fixture(scope="module")
def powder():
    image = powder_image(GEOMETRY, "CeO2")
    return image, usable_pixels(image, GEOMETRY.detector)


def start_point(image, valid):
    """A pixel a little beside the ring."""
    near = np.argwhere(valid & (np.abs(TWO_THETA - RING) < 4e-4))
    row, column = near[len(near) // 3]
    return row + 2.0, column + 1.5


@pytest.mark.parametrize("geometry", [None, GEOMETRY], ids=["without geometry", "with geometry"])
def test_the_whole_ring_is_found(powder, geometry):
    image, valid = powder
    points = pick(image, valid, start_point(image, valid), geometry=geometry)
    rows, columns = (points - 0.5).T.round().astype(int)
    step = np.hypot(*np.gradient(TWO_THETA))[rows, columns]
    assert np.abs((TWO_THETA[rows, columns] - RING) / step).max() < 1.6
    assert np.abs(np.mean((TWO_THETA[rows, columns] - RING) / step)) < 0.15
    azimuth = GEOMETRY.center_array("chi_rad")[rows, columns]
    covered = np.histogram(azimuth, 36, (-np.pi, np.pi))[0] > 0
    assert covered.mean() > 0.85
    steps = np.hypot(*np.diff(points, axis=0).T)
    assert np.median(steps) == pytest.approx(3.0, abs=0.3)
    assert valid[rows, columns].all()


def test_where_there_is_no_ring(powder):
    image, valid = powder
    empty = np.argwhere(valid & (np.abs(TWO_THETA - 0.04) < 5e-4))[50]
    with pytest.raises(CalibrationError, match="no ring within"):
        pick(image, valid, (empty[0] + 0.5, empty[1] + 0.5))
    with pytest.raises(SpecError, match="not on the image"):
        pick(image, valid, (-3.0, 5.0))
