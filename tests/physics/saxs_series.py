"""A series of equal exposures of a SAXS sample, and how the patterns of any two of them compare.

The tests of statistics and ``benchmarks/bin_correlation.py`` share this.
"""

from __future__ import annotations

import numpy as np

import aureole
from aureole.azimuthal.table import build_entries

SHAPE = (240, 240)
BINS = 100
SPLITS = ("no", "bbox", "full")


def geometry():
    """A detector of small pixels behind a long flight tube, the beam near its middle."""
    detector = aureole.detector(pixel1=172e-6, pixel2=172e-6, shape=SHAPE)
    return aureole.Geometry(detector, 1.0, 0.02, 0.021, wavelength=1e-10)


def expected_counts():
    """Guinier's law on a flat background, as each pixel sees it: from 204 counts to 4."""
    known = geometry()
    q = known.center_array("q_nm^-1")
    return (200.0 * np.exp(-np.square(6.0 * q) / 3.0) + 4.0) * known.solid_angle()


def exposures(count, seed=2026):
    """That many frames of Poisson counts, (count, 240, 240)."""
    return np.random.default_rng(seed).poisson(expected_counts(), (count, *SHAPE)).astype(np.uint16)


def spec(split, bins=BINS):
    """Rings that lie on the detector as a whole or nearly, none in the beam stop."""
    axis = aureole.Axis("q_nm^-1", bins, (0.02, 1.27))
    return aureole.IntegrationSpec(geometry(), radial=axis, split=split, error_model="poisson")


def reduced_chi2(patterns):
    """χ² of the difference of every pair of patterns over the number of bins, as if bins were independent."""
    intensity, variance = patterns.intensity, np.square(patterns.sigma)
    first, second = np.triu_indices(len(intensity), 1)
    total = np.zeros(first.size)
    for value, error in zip(intensity.T, variance.T, strict=True):
        total += np.square(value[first] - value[second]) / (error[first] + error[second])
    return total / intensity.shape[1]


def covariance(split, bins=BINS):
    """The covariance of the intensities of bins that splitting makes, Σ c_i c_j u / (Σ c_i n Σ c_j n)."""
    wanted = spec(split, bins)
    table = build_entries(wanted.geometry, wanted.radial, None, split=split)
    shares = np.zeros((bins, table.entries.n_pixels), np.float32)
    pixel = np.repeat(np.arange(table.entries.n_pixels), np.diff(table.entries.pixel_ptr))
    shares[table.entries.bins, pixel] = table.entries.coefs
    norm = shares @ wanted.geometry.solid_angle().ravel()
    return (shares * expected_counts().ravel()) @ shares.T / np.outer(norm, norm)


def correlation(split, bins=BINS):
    """`covariance` over the errors of the bins."""
    known = covariance(split, bins)
    error = np.sqrt(np.diag(known))
    return known / np.outer(error, error)


def reduced_chi2_with_covariance(patterns, known):
    """The same as `reduced_chi2`, with the covariance of the bins instead of their errors alone."""
    # With L Lᵀ the inverse of the covariance, the bins of I·L are independent and have errors of one.
    whitened = patterns.intensity @ np.linalg.cholesky(np.linalg.inv(known))
    first, second = np.triu_indices(len(whitened), 1)
    total = np.zeros(first.size)
    for value in whitened.T:
        total += np.square(value[first] - value[second]) / 2.0
    return total / whitened.shape[1]
