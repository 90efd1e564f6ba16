"""Peak shapes have unit area, the width that they say, and the derivatives that they say."""

import numpy as np
import pytest

from aureole.kernels.profiles import pseudo_voigt

SHARES = [0.0, 1.0, np.array(0.3)]


@pytest.mark.parametrize("share", SHARES)
def test_unit_area_and_half_the_height_at_half_the_width(share):
    x = np.linspace(-3000, 3000, 6_000_001)
    assert np.trapezoid(pseudo_voigt(x, np.array(0.1), np.array(0.8), share).value, x) == pytest.approx(
        1, abs=2e-4
    )
    at = np.array([0.1, 0.5, -0.3])
    top, right, left = pseudo_voigt(at, np.array(0.1), np.array(0.8), share).value
    assert right == pytest.approx(top / 2)
    assert left == pytest.approx(top / 2)


@pytest.mark.parametrize("share", SHARES)
def test_derivatives_are_those_of_the_values(share):
    x, step = np.linspace(-2, 2, 41), 1e-6

    def value(position=0.2, fwhm=0.7, mixture=share):
        return pseudo_voigt(x, np.array(position), np.array(fwhm), mixture).value

    found = pseudo_voigt(x, np.array(0.2), np.array(0.7), share)
    slopes = {
        "by_position": (value(position=0.2 + step) - value(position=0.2 - step)) / (2 * step),
        "by_fwhm": (value(fwhm=0.7 + step) - value(fwhm=0.7 - step)) / (2 * step),
    }
    if found.by_mixture is not None:
        slopes["by_mixture"] = (value(mixture=share + step) - value(mixture=share - step)) / (2 * step)
    for name, slope in slopes.items():
        assert getattr(found, name) == pytest.approx(slope, abs=1e-8), name


def test_results_have_the_precision_of_the_arguments():
    x, one = np.zeros(3, np.float32), np.ones(1, np.float32)
    for share in (0.0, 1.0, 0.5, np.full(1, 0.5, np.float32)):
        for part in pseudo_voigt(x, one, one, share):
            assert part is None or part.dtype == np.float32
