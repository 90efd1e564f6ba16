"""Images of powders at known places, drawn without the code that calibrates."""

import numpy as np

from aureole.calibration import calibrant


def powder_image(geometry, name, *, peak=300.0, background=20.0, width=2.5, spots=0, seed=0, rings=None):
    """Return Poisson counts of Gaussian rings, `width` pixels wide; gaps are -1.

    With spots each ring is so many grains, of very different sizes. `rings` chooses some of them.
    """
    rng = np.random.default_rng(seed)
    two_theta, chi = geometry.center_array("2th_rad"), geometry.center_array("chi_rad")
    sigma = np.hypot(*np.gradient(two_theta)) * width / 2.3548
    places = calibrant(name).two_theta(geometry.wavelength, min(3.1, 1.01 * two_theta.max()))
    image = background * (1.0 + np.exp(-two_theta / 0.1))
    for index, place in enumerate(places):
        height = peak * np.exp(-place / places[0] / 6.0) * rng.uniform(0.2, 1.0)
        if rings is not None and index not in rings:
            continue
        near = np.abs(two_theta - place) < 8.0 * sigma
        if spots:
            height = height * grains(rng, spots)(chi[near])
        image[near] += height * np.exp(-0.5 * np.square((two_theta[near] - place) / sigma[near]))
    counts = rng.poisson(image).astype(np.int32)
    counts[geometry.detector.mask] = -1
    return counts


def grains(rng, number):
    """Return how bright a ring of grains is against its azimuth."""
    azimuth = np.linspace(-np.pi, np.pi, 7200)
    bright = np.zeros(7200)
    np.add.at(bright, rng.integers(0, 7200, number), rng.lognormal(0.0, 1.0, number))
    bright = np.convolve(bright, np.exp(-0.5 * np.square(np.arange(-60, 61) / 3.0)), "same")
    return lambda chi: np.interp(chi, azimuth, bright)
