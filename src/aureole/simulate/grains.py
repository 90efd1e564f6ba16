"""Coarse grains: rings that break up into spots, which flash while the sample turns."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from aureole.simulate.phases import Pattern, ring_width
from aureole.simulate.screen import Screen

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_FLASHES = 24
"""How often a grain reflects into each ring during one turn."""
_MOSAIC = 2.0
"""Standard deviation of a flash in degrees of rotation."""
_REACH = 5
"""Pixels from the middle of a spot to its edge."""
_MISSED = -1e4


class Grains:
    """Grains of one phase, and what they add to a frame.

    Each ring of a grain flashes a few times a turn, as a spot at an azimuth of its own; averaged over a turn,
    that is what the same amount of fine powder scatters.

    Parameters
    ----------
    truth : ndarray, shape (z, y, x)
        How much of the phase each voxel holds in grains.
    per_voxel : float
        Grains to a voxel full of them.
    pattern : Pattern
        Of the phase.
    screen : Screen
    seed : tuple of int
        Decides places and orientations.

    Attributes
    ----------
    layer, x, y : ndarray, shape (grains,)
        Where they are: layer, and voxels from the middle of the slice.
    amount : float
        Of the phase in each grain, in voxels.
    """

    def __init__(
        self, truth: F64, per_voxel: float, *, pattern: Pattern, screen: Screen, seed: tuple[int, ...]
    ) -> None:
        rng = np.random.default_rng(seed)
        self._screen, self._seed = screen, seed
        self._rings = pattern.rings
        total = float(truth.sum())
        count = int(np.ceil(total * per_voxel))
        chosen = rng.choice(truth.size, count, p=truth.reshape(-1) / total) if count else np.zeros(0, np.intp)
        self.layer, row, column = np.unravel_index(chosen, truth.shape)
        self.y = row - (truth.shape[1] - 1) / 2 + rng.uniform(-0.5, 0.5, count)
        self.x = column - (truth.shape[2] - 1) / 2 + rng.uniform(-0.5, 0.5, count)
        self.amount = total / max(count, 1)
        at, area = pattern.rings.T
        # what a ring has on a detector of any size: its area times the pixels within a radian of 2θ
        self._totals = area * 2.0 * pi * np.tan(at) / np.cos(at) ** 2 / screen.pixel_angle**2
        self._sigmas = ring_width(at, screen) / screen.pixel_angle / 2.355
        self._to_lab = screen.geometry.rotation_matrix()
        centres = [screen.geometry.detector.centres(axis) for axis in (0, 1)]
        self._orders = [np.argsort(along) for along in centres]
        self._centres = [along[order] for along, order in zip(centres, self._orders, strict=True)]

    def add(self, image: F32, rotation: float, grains: NDArray[np.intp], shares: F64) -> None:
        """Add the spots of some grains to an expectation.

        Parameters
        ----------
        image : ndarray of float32, shape (n1, n2)
        rotation : float
            Of the sample, in degrees.
        grains : ndarray of int, shape (hit,)
            Which grains the beam hits.
        shares : ndarray, shape (hit,)
            What a voxel full of the phase would add in their place to the patterns.
        """
        if not grains.size:
            return
        # drawn anew each time: the flashes of all grains together would fill the memory
        shape = (2, len(self._rings), _FLASHES)
        turns = np.stack([np.random.default_rng((*self._seed, grain)).random(shape) for grain in grains])
        off = (360.0 * turns[:, 0] - rotation + 180.0) % 360.0 - 180.0
        hit, ring, flash = np.nonzero(np.abs(off) < 4.0 * _MOSAIC)
        glow = np.exp(-0.5 * (off[hit, ring, flash] / _MOSAIC) ** 2)
        glow *= 360.0 / (_FLASHES * _MOSAIC * sqrt(2.0 * pi))
        chi = 2.0 * pi * turns[hit, 1, ring, flash] - pi
        counts = glow * shares[hit] * self.amount * self._totals[ring]
        row, column = self._pixel(self._rings[ring, 0], chi)
        near = np.rint(np.stack((row, column))).astype(np.intp)
        box = np.arange(-_REACH, _REACH + 1)
        rows = near[0][:, None, None] + box[:, None]
        columns = near[1][:, None, None] + box
        sigma = self._sigmas[ring][:, None, None]
        square = (rows - row[:, None, None]) ** 2 + (columns - column[:, None, None]) ** 2
        spot = (counts[:, None, None] / (2.0 * pi * sigma**2)) * np.exp(-0.5 * square / sigma**2)
        inside = (rows >= 0) & (rows < image.shape[0]) & (columns >= 0) & (columns < image.shape[1])
        at = (rows * image.shape[1] + columns)[inside]
        values = spot[inside] * self._screen.share.reshape(-1)[at]
        # added one after the other, in an order that depends on the frame alone
        np.add.at(image.reshape(-1), at, values.astype(np.float32))

    def _pixel(self, two_theta: F64, chi: F64) -> tuple[F64, F64]:
        """Return where on the detector (row, column) beams arrive, far outside where they miss it."""
        sine = np.sin(two_theta)
        beam = np.stack((sine * np.sin(chi), sine * np.cos(chi), np.cos(two_theta)))
        along1, along2, away = self._to_lab.T @ beam
        geometry = self._screen.geometry
        found = []
        for along, poni, axis in ((along1, geometry.poni1, 0), (along2, geometry.poni2, 1)):
            at = geometry.dist * along / away + poni
            pixel = np.interp(at, self._centres[axis], self._orders[axis], left=_MISSED, right=_MISSED)
            found.append(np.asarray(pixel, np.float64))
        return found[0], found[1]
