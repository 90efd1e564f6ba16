"""A detector behind a sample: rings drawn from a profile, gaps, dead and hot pixels, Poisson counts."""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

from aureole.geometry import Geometry, detector
from aureole.simulate.poisson import poisson, tables

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_STEPS = 64
"""Steps a pixel in the table of the profile: rings stand within 1/128 of a pixel of their place."""
_STOP_RADIUS = 0.010
_STOP_LEAK = 0.02
_HOT = 30.0


def standing(name: str, energy_kev: float) -> Geometry:
    """Return where a detector stands: rings to about 17° are whole, in the corners there is more.

    Raises
    ------
    GeometryError
        Unknown detector, one without a shape, or an impossible energy.
    """
    pixels = detector(name)
    size1, size2 = (
        count * pixel for count, pixel in zip(pixels.known_shape, (pixels.pixel1, pixels.pixel2), strict=True)
    )
    pose = Geometry(
        pixels, dist=1.885 * size1, poni1=0.501 * size1, poni2=0.4985 * size2, rot1=-2e-3, rot2=1.5e-3
    )
    return pose.with_energy(energy_kev)


class Screen:
    """What a detector counts where the scattering depends on 2θ, times solid angle and polarization.

    A round beam stop covers the middle.

    Parameters
    ----------
    geometry : Geometry
        With a wavelength.
    seed : int
        Decides which pixels are dead or hot.

    Attributes
    ----------
    two_theta : ndarray, shape (steps,)
        Where profiles are to be given, in radians; even steps, finer than pixels.
    q : ndarray, shape (steps,)
        The same in Å⁻¹.
    pixel_angle : float
        What a pixel spans near the beam, in radians.
    share : ndarray of float32, shape (n1, n2)
        What a pixel gets of the profile; zero where invalid.
    invalid : ndarray of bool, shape (n1, n2)
        Gaps and dead pixels.
    valid : int
        Number of the others.
    hot : ndarray of int
        Index into the pixels in C order of the few that count far too much.
    """

    def __init__(self, geometry: Geometry, seed: int) -> None:
        tables()  # before threads need them
        self.geometry = geometry
        two_theta = geometry.center_array("2th_rad")
        self.pixel_angle = geometry.detector.pixel1 / geometry.dist
        step = self.pixel_angle / _STEPS
        self._place = np.rint(two_theta / step).astype(np.int32)
        self.two_theta: F64 = np.arange(int(self._place.max()) + 1, dtype=np.float64) * step
        assert geometry.wavelength is not None
        self.q: F64 = 4.0 * pi * np.sin(0.5 * self.two_theta) / geometry.wavelength * 1e-10
        share = geometry.solid_angle() * geometry.polarization(0.99)
        sensor = geometry.detector.known_sensor
        if sensor is not None and sensor.stops(geometry.energy_kev):
            share *= sensor.relative_efficiency(geometry.energy_kev, geometry.incidence())
        share[two_theta < _STOP_RADIUS] *= _STOP_LEAK
        self._choose_defects(geometry.detector.mask, seed)
        share[self.invalid] = 0.0
        self.valid = int(np.count_nonzero(~self.invalid))
        self.share = share.astype(np.float32)

    def _choose_defects(self, gaps: NDArray[np.bool_], seed: int) -> None:
        rng = np.random.default_rng([seed, 0])
        sensitive = np.flatnonzero(~gaps)
        chosen = rng.choice(sensitive, size=max(2, sensitive.size // 2000), replace=False)
        n_hot = max(1, chosen.size // 150)
        self.hot = np.sort(chosen[:n_hot])
        self._dead = np.sort(chosen[n_hot:])
        self.invalid = gaps.copy()
        self.invalid.reshape(-1)[self._dead] = True

    def expectation(self, profile: F64) -> F32:
        """Return what each pixel counts on average, but for hot ones; zero where invalid.

        Parameters
        ----------
        profile : ndarray, shape (steps,)
            Intensity at `two_theta`.
        """
        image: F32 = np.take(profile.astype(np.float32), self._place)
        image *= self.share
        return image

    def mean(self, profile: F64) -> float:
        """Return what a valid pixel counts on average over all of them."""
        return float(self.expectation(profile).sum(dtype=np.float64)) / self.valid

    def counted(self, expectation: F32, seed: list[int]) -> NDArray[np.int32]:
        """Return one frame: Poisson noise, gaps -1, dead pixels -2, hot pixels too high.

        Parameters
        ----------
        expectation : ndarray of float32, shape (n1, n2)
            It is altered.
        seed : list of int
            Decides the noise.
        """
        expectation.reshape(-1)[self.hot] *= _HOT
        return self._marked(poisson(np.random.default_rng(seed), expectation))

    def without_noise(self, expectation: F32) -> NDArray[np.int32]:
        """Return one frame as `counted` does, rounded in place of drawn."""
        expectation.reshape(-1)[self.hot] *= _HOT
        return self._marked(np.rint(expectation).astype(np.int32))

    def _marked(self, image: NDArray[np.int32]) -> NDArray[np.int32]:
        image[self.invalid] = -1
        image.reshape(-1)[self._dead] = -2
        return image
