"""Ellipses: objects whose projections are known exactly."""

from __future__ import annotations

import numpy as np

ELLIPSES = (
    (8.0, -4.0, 40.0, 28.0, 0.4, 1.0),
    (15.0, 8.0, 8.0, 14.0, 1.0, 0.5),
    (-14.0, -9.0, 7.0, 7.0, 0.0, -0.7),
)
"""Of each: x, y, two half-axes, the angle of the first, the density."""


def projections(beam):
    """Return the exact line integrals of the ellipses."""
    angle = beam.angles[:, None]
    total = np.zeros(beam.shape)
    for x, y, a, b, turn, density in ELLIPSES:
        offset = np.arange(beam.translations) - beam.rotation_center - x * np.cos(angle) - y * np.sin(angle)
        extent = (a * np.cos(angle - turn)) ** 2 + (b * np.sin(angle - turn)) ** 2
        total += density * 2 * a * b * np.sqrt(np.clip(extent - offset**2, 0, None)) / extent
    return total


def densities(size, fine=4):
    """Return the mean density of each pixel of a slice."""
    axis = (np.arange(size * fine) + 0.5) / fine - size / 2
    total = np.zeros((size * fine, size * fine))
    for x, y, a, b, turn, density in ELLIPSES:
        along = (axis - x) * np.cos(turn) + (axis[:, None] - y) * np.sin(turn)
        across = (axis[:, None] - y) * np.cos(turn) - (axis - x) * np.sin(turn)
        total += density * ((along / a) ** 2 + (across / b) ** 2 < 1)
    return total.reshape(size, fine, size, fine).mean(axis=(1, 3))
