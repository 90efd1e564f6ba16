"""Nine points of a real map: our patterns and those that Dioptas made of the frames give the same maps."""

import numpy as np
import pytest

import aureole
from aureole.io import read_image, read_text
from aureole.mapping.peaks import fit_peaks
from aureole.mapping.phases import fit_references, reference_on
from aureole.mapping.regions import region

RINGS = {(5.75, 6.4): 0.006, (9.8, 10.4): 0.025, (11.25, 11.7): 0.015}
"""Windows (2θ in degrees), and how far areas may be apart: the patterns are, by 0.02 to 0.04 %, and most of
these rings stand on a background that is far larger than they are."""


@pytest.fixture(scope="module")
def nine(data, map_geometry):
    """Radial positions and intensities of both, and our errors."""
    folder = data / "powder" / "dioptas_map"
    images = sorted(folder.glob("*.tif"))
    theirs = [read_text(folder / "xy" / f"{image.stem}.xy") for image in images]
    assert len(theirs) == 9
    assert {pattern.unit for pattern in theirs} == {"2th_deg"}
    spec = aureole.IntegrationSpec(
        map_geometry,
        radial=aureole.Axis("2th_deg", len(theirs[0].radial)),
        split="bbox",
        polarization_factor=0.99,
        error_model="poisson",
    )
    ours = spec.plan().integrate(np.array([read_image(image) for image in images]))
    both = [(ours.radial, ours.intensity), (theirs[0].radial, np.array([p.intensity for p in theirs]))]
    return both, ours.sigma


@pytest.mark.parametrize("window", RINGS)
@pytest.mark.parametrize("shape", ["gaussian", "pseudo-voigt"])
def test_maps_of_peaks(nine, window, shape):
    both, sigma = nine
    mine, other = (fit_peaks(x, patterns, sigma, window=window, shape=shape) for x, patterns in both)
    assert mine.good.all()
    assert other.good.all()
    near = 2 * RINGS[window] if shape == "pseudo-voigt" else RINGS[window]
    np.testing.assert_allclose(mine.area.value, other.area.value, rtol=near)
    np.testing.assert_allclose(mine.position.value, other.position.value, atol=1e-3)
    np.testing.assert_allclose(mine.fwhm.value, other.fwhm.value, rtol=0.02)
    assert np.corrcoef(mine.area.value, other.area.value)[0, 1] > 0.999
    assert mine.area.value.max() > 2 * mine.area.value.min()


def test_images_of_a_region(nine):
    both, sigma = nine
    window = (5.75, 6.4)
    mine, other = (region(x, patterns, sigma, window=window, background="linear") for x, patterns in both)
    np.testing.assert_allclose(mine.total.value, other.total.value, rtol=0.006)
    np.testing.assert_allclose(mine.centre.value, other.centre.value, atol=5e-4)
    peaks = fit_peaks(*both[0], sigma, window=window, shape="gaussian")
    assert np.corrcoef(mine.total.value, peaks.area.value)[0, 1] > 0.99


def test_points_as_mixtures_of_two_of_them(nine):
    both, sigma = nine
    (x, patterns), (known, references) = both
    inside = (x > 2) & (x < 23)
    ends = [reference_on(x[inside], known, references[point]) for point in (0, 3)]
    found = fit_references(x[inside], patterns[:, inside], sigma[:, inside], ends, background=None)
    np.testing.assert_allclose(found.weights.value[0], [1, 0], atol=0.02)
    np.testing.assert_allclose(found.weights.value[3], [0, 1], atol=0.02)
    np.testing.assert_allclose(found.weights.value.sum(axis=1), 1.0, atol=0.02)
    assert np.isfinite(found.fractions.value).all()
