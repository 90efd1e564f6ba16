"""A phantom, a scan and a beamline: what each frame of the scan counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.simulate.grains import Grains
from aureole.simulate.orders import Path
from aureole.simulate.phantom import Phantom
from aureole.simulate.phases import AMORPHOUS, ATTENUATION, air, pattern
from aureole.simulate.screen import Screen, standing

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_REFERENCE = 1e3
"""Counts of a pixel of a reference at least, on average over the valid ones: rounding is nothing then."""


class Scan(Protocol):
    """What `XrdctScan` and `MapScan` have in common."""

    @property
    def step(self) -> float:
        """From point to point, in mm."""

    @property
    def path(self) -> Path:
        """The way through the points."""

    @property
    def positions(self) -> dict[str, F64]:
        """Where the motors stood for each frame: degrees and mm."""

    @property
    def rotation(self) -> F64:
        """Angle of each frame in degrees."""

    @property
    def turning(self) -> F64:
        """By how many degrees the sample turns during each exposure."""

    def lengths(self, phantom: Phantom) -> Iterator[F64]:
        """Yield line integrals, (phases, frames), at places within the beam and the exposure."""

    def overlap(self, x: F64, y: F64, frame: int) -> F64:
        """Return how much the beam of a frame hits grains at x, y (steps from the middle), 0 to 1."""

    def truth(self, phantom: Phantom) -> F64:
        """Return the mean fractions of voxels, (phases, z, y, x)."""


@dataclass(frozen=True, kw_only=True)
class Beamline:
    """What stands around the sample, and what the beam does.

    Attributes
    ----------
    detector : str
        Any detector with a shape.
    energy_kev : float
        Photon energy.
    counts : float
        What a valid pixel counts on average over the scan.
    transmission : float
        What the most absorbing ray transmits; 1 for no absorption.
    air : float
        Share of the counts that is scattering of air.
    decay : float
        Share of the beam that is lost before it is refilled.
    refill : int
        Frames from refill to refill.
    spotty : tuple of str
        Crystalline phases with coarse grains.
    coarse : float
        Share of these phases that is in coarse grains.
    grains : float
        Coarse grains in a voxel full of coarse grains.
    seed : int
        Of noise, grains, dead and hot pixels. Equal seeds give equal frames.

    Raises
    ------
    SpecError
        Numbers that cannot be.
    """

    detector: str = "Pilatus 2M CdTe"
    energy_kev: float = 71.0
    counts: float = 100.0
    transmission: float = 0.5
    air: float = 0.1
    decay: float = 0.1
    refill: int = 500
    spotty: tuple[str, ...] = ()
    coarse: float = 0.5
    grains: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.counts < 1e6:
            raise SpecError(f"simulated frames need between 0 and 1e6 counts a pixel, not {self.counts:g}")
        if not 0.0 < self.transmission <= 1.0:
            raise SpecError(f"the transmission must be above 0 and up to 1, not {self.transmission:g}")
        for what, share in (("air", self.air), ("decay", self.decay)):
            if not 0.0 <= share < 1.0:
                raise SpecError(f"{what} must be a share from 0 to below 1, not {share:g}")
        if not 0.0 <= self.coarse <= 1.0 or not 0.0 < self.grains < 1e3:
            raise SpecError("the coarse share of grains must be 0 to 1, and up to 1000 of them in a voxel")
        if self.refill < 1:
            raise SpecError(f"there is at least one frame from refill to refill, not {self.refill}")
        if self.seed < 0:
            raise SpecError(f"a seed is not negative: {self.seed}")

    def monitor(self, frames: int) -> F64:
        """Return the flux of each frame, about 1 on average, to the digits that headers have."""
        since = np.arange(frames) % self.refill / self.refill
        return np.asarray(np.round((1.0 - self.decay) ** (since - 0.5), 6), np.float64)


class Experiment:
    """The frames of a scan: slow work done once, then any frame, from any thread.

    A frame counts on average ::

        monitor [air mean(T) + Σ over phases: pattern mean(T L)],   T = exp(-Σ μ L)

    with the line integrals L of the phases' volume fractions, averaged over the width of the beam (and
    the move during the exposure). What is scattered leaves the sample nearly along the beam, so that the
    whole ray attenuates it wherever it comes from.

    Parameters
    ----------
    phantom : Phantom
    scan : XrdctScan or MapScan
    beamline : Beamline, optional

    Attributes
    ----------
    patterns : ndarray, shape (phases, steps)
        Counts of a pixel in the beam's direction for a line integral of 1, against `screen.q`.
    air : ndarray, shape (steps,)
        The same of air.
    positions : dict of str to ndarray, shape (frames,)
        Where the motors stood.
    attenuation : ndarray, shape (phases,)
        μ of the phases: attenuation of a line integral of 1.
    weights : ndarray, shape (phases, frames)
        mean(T L), without what is in coarse grains.
    transmission : ndarray, shape (frames,)
        mean(T).
    monitor : ndarray, shape (frames,)

    Raises
    ------
    GeometryError
        Unknown detector, one without a shape, or an impossible energy.
    SpecError
        A spotty phase that is not there or not crystalline, or an empty sample.
    """

    def __init__(self, phantom: Phantom, scan: Scan, beamline: Beamline | None = None) -> None:
        self.phantom, self.scan = phantom, scan
        self.positions, self._rotation, self._turning = scan.positions, scan.rotation, scan.turning
        self.beamline = beamline = beamline or Beamline()
        for name in beamline.spotty:
            if name not in phantom.phases or name == AMORPHOUS:
                raise SpecError(f"{name!r} cannot be spotty: it is no crystalline phase of the sample")
        self.screen = Screen(standing(beamline.detector, beamline.energy_kev), beamline.seed)
        self.geometry = self.screen.geometry
        self.monitor = beamline.monitor(len(self))
        self._attenuate()
        found = [pattern(name, self.screen) for name in phantom.phases]
        signal = float(np.mean(self.monitor * self.weights.sum(axis=0)))
        if signal == 0.0:
            raise SpecError("no ray meets anything of the sample: choose other phases or more points")
        scale = (1.0 - beamline.air) * beamline.counts / signal
        self.patterns: F64 = np.stack([one.profile for one in found]) * scale
        clear = air(self.screen.q)
        through = float(np.mean(self.monitor * self.transmission))
        self.air: F64 = clear * (beamline.air * beamline.counts / self.screen.mean(clear) / through)
        self._grains: dict[int, Grains] = {}
        for name in beamline.spotty:
            phase = phantom.phases.index(name)
            self._grains[phase] = Grains(
                self.truth[phase] * beamline.coarse,
                beamline.grains,
                pattern=found[phase]._replace(rings=found[phase].rings * (1.0, scale)),
                screen=self.screen,
                seed=(beamline.seed, 3, phase),
            )
            self.weights[phase] *= 1.0 - beamline.coarse

    def __len__(self) -> int:
        return len(self.scan.path.slow)

    @cached_property
    def truth(self) -> F64:
        """Mean volume fractions of the voxels, (phases, z, y, x)."""
        return self.scan.truth(self.phantom)

    def _attenuate(self) -> None:
        """Average transmission and scattering over the places within the beam."""
        lengths = list(self.scan.lengths(self.phantom))
        relative = np.array([ATTENUATION[name] for name in self.phantom.phases])
        densest = max(float((relative @ one).max()) for one in lengths)
        self.attenuation: F64 = relative * (-np.log(self.beamline.transmission) / max(densest, 1e-300))
        through = [np.exp(-(self.attenuation @ one)) for one in lengths]
        self.transmission: F64 = np.mean(through, axis=0)
        self.weights: F64 = np.mean([t * one for t, one in zip(through, lengths, strict=True)], axis=0)

    def expectation(self, frame: int) -> F32:
        """Return what each pixel of a frame counts on average, but for hot ones; zero where invalid."""
        profile = self.air * self.transmission[frame]
        for weight, one in zip(self.weights[:, frame], self.patterns, strict=True):
            profile += weight * one
        image = self.screen.expectation(self.monitor[frame] * profile)
        for grains in self._grains.values():
            there = np.flatnonzero(grains.layer == self.scan.path.layer[frame])
            covered = self.scan.overlap(grains.x[there], grains.y[there], frame)
            hit = covered > 0.0
            shares = self.monitor[frame] * self.transmission[frame] * covered[hit]
            grains.add(image, float(self._rotation[frame]), there[hit], shares)
        return image

    def frame(self, frame: int) -> NDArray[np.int32]:
        """Return what a frame counts: gaps -1, dead pixels -2.

        Returns
        -------
        ndarray of int32, shape (n1, n2)
        """
        return self.screen.counted(self.expectation(frame), [self.beamline.seed, 1, frame])

    def references(self) -> Iterator[tuple[str, NDArray[np.int32], dict[str, str]]]:
        """Yield what each phase scatters alone, and air: name, a frame without noise, facts of its header.

        All are of the same number of steps, a power of ten, in a beam of flux 1 that nothing attenuates:
        weights of a fit with them are volume fractions over that number. The frame of air is that of an
        empty beam.
        """
        mean = self.screen.mean(self.patterns[0])
        steps = 10.0 ** max(0.0, np.ceil(np.log10(_REFERENCE / mean)))
        facts = {"Steps": f"{steps:.0f}", "Flux": "1.000000", "Transmission": "1.000000"}
        for name, profile in zip((*self.phantom.phases, "air"), (*self.patterns, self.air), strict=True):
            yield name, self.screen.without_noise(self.screen.expectation(steps * profile)), facts

    def header(self, frame: int) -> dict[str, str]:
        """Return what the header of a frame says of motors and counters."""
        found = {}
        for name, values in self.positions.items():
            if name == "rotation":
                turn = self._turning[frame]
                found["Start_angle"] = f"{values[frame] - turn / 2:.6f} deg"
                found["Angle_increment"] = f"{turn:.6f} deg"
            else:
                found[name.capitalize()] = f"{values[frame]:.6f} mm"
        found["Flux"] = f"{self.monitor[frame]:.6f}"
        found["Transmission"] = f"{self.transmission[frame]:.6f}"
        return found
