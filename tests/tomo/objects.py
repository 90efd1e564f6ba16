"""Ellipses: objects whose projections are known exactly."""

from __future__ import annotations

import numpy as np

ELLIPSES = (
    (8.0, -4.0, 40.0, 28.0, 0.4, 1.0),
    (15.0, 8.0, 8.0, 14.0, 1.0, 0.5),
    (-14.0, -9.0, 7.0, 7.0, 0.0, -0.7),
)
"""Of each: x, y, two half-axes, the angle of the first, the density."""


def projections(beam, factor=1.0):
    """Return the exact line integrals of the ellipses, so many times as large."""
    angle = beam.angles[:, None]
    total = np.zeros(beam.shape)
    for *lengths, turn, density in ELLIPSES:
        x, y, a, b = (factor * length for length in lengths)
        offset = np.arange(beam.translations) - beam.centers[:, None] - x * np.cos(angle) - y * np.sin(angle)
        extent = (a * np.cos(angle - turn)) ** 2 + (b * np.sin(angle - turn)) ** 2
        total += density * 2 * a * b * np.sqrt(np.clip(extent - offset**2, 0, None)) / extent
    return total


def densities(size, fine=4, factor=1.0):
    """Return the mean density of each pixel of a slice."""
    axis = (np.arange(size * fine) + 0.5) / fine - size / 2
    total = np.zeros((size * fine, size * fine))
    for *lengths, turn, density in ELLIPSES:
        x, y, a, b = (factor * length for length in lengths)
        along = (axis - x) * np.cos(turn) + (axis[:, None] - y) * np.sin(turn)
        across = (axis[:, None] - y) * np.cos(turn) - (axis - x) * np.sin(turn)
        total += density * ((along / a) ** 2 + (across / b) ** 2 < 1)
    return total.reshape(size, fine, size, fine).mean(axis=(1, 3))
