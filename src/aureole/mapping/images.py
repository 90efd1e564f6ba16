"""What is made of the patterns of a map or a volume: images of regions, peaks and phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.mapping.patterns import Estimate, Window
from aureole.mapping.peaks import fit_peaks
from aureole.mapping.phases import fit_references, reference_on
from aureole.mapping.regions import region

Reference = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Radial positions and intensities of the pattern of a phase."""
Images = dict[str, dict[str, Estimate]]
"""By the name of the region, peak or phases: images with their uncertainties, by quantity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """Which images are wanted.

    Attributes
    ----------
    regions, peaks : mapping of str to (float, float)
        Radial ranges by name.
    phases : mapping of str to (radial, intensity)
        Reference patterns by name, fitted together.
    window : (float, float), optional
        Radial range in which phases are fitted; where all references are without it.
    background : bool
        Whether regions are counted above the line between their ends.
    """

    regions: Mapping[str, Window] = field(default_factory=dict)
    peaks: Mapping[str, Window] = field(default_factory=dict)
    phases: Mapping[str, Reference] = field(default_factory=dict)
    window: Window | None = None
    background: bool = True

    def __post_init__(self) -> None:
        names = [*self.regions, *self.peaks, *(["phases"] if self.phases else [])]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise SpecError(f"two images of the name {', '.join(sorted(twice))}")
        for name in names:
            if not name.replace("_", "").replace("-", "").isalnum():
                raise SpecError(f"{name!r} is no name for an image: letters, digits, _ and -")

    def describe(self) -> dict[str, object]:
        """Return it as JSON, for the identity of a run."""
        return {
            "regions": dict(self.regions),
            "peaks": dict(self.peaks),
            "phases": {name: [x.tolist(), y.tolist()] for name, (x, y) in self.phases.items()},
            "window": self.window,
            "background": self.background,
        }

    def check(self, radial: NDArray[np.float64]) -> None:
        """Refuse, before any work is done, what cannot be made of patterns on these bins.

        Raises
        ------
        SpecError
            A window outside the patterns, or references that do not cover it.
        """
        self.make(radial, np.ones((1, len(radial)), np.float32), None, threads=1)

    def make(
        self,
        radial: NDArray[np.float64],
        intensity: NDArray[np.float32],
        sigma: NDArray[np.float32] | None,
        *,
        threads: int | None = None,
    ) -> Images:
        """Return the images of patterns.

        Parameters
        ----------
        radial : ndarray, shape (bins,)
        intensity, sigma : ndarray, shape (..., bins)
        threads : int, optional

        Raises
        ------
        SpecError
            As `check`.
        """
        images: Images = {}
        for name, window in self.regions.items():
            found = region(
                radial, intensity, sigma, window=window, background="linear" if self.background else "none"
            )
            images[name] = {"total": found.total, "mean": found.mean, "centre": found.centre}
        for name, window in self.peaks.items():
            peak = fit_peaks(radial, intensity, sigma, window=window, threads=threads)
            images[name] = {
                "area": peak.area,
                "position": peak.position,
                "fwhm": peak.fwhm,
                "background": peak.background,
                "status": Estimate(peak.status.astype(np.float64), np.full(peak.status.shape, np.nan)),
            }
        if self.phases:
            images["phases"] = self._phases(radial, intensity, sigma, threads)
        return images

    def _phases(
        self,
        radial: NDArray[np.float64],
        intensity: NDArray[np.float32],
        sigma: NDArray[np.float32] | None,
        threads: int | None,
    ) -> dict[str, Estimate]:
        low = max(float(x[0]) for x, _ in self.phases.values())
        high = min(float(x[-1]) for x, _ in self.phases.values())
        low, high = (low, high) if self.window is None else self.window
        inside = (radial >= low) & (radial <= high)
        references = np.zeros((len(self.phases), len(radial)))
        for row, (name, (x, y)) in enumerate(self.phases.items()):
            try:
                references[row, inside] = reference_on(radial[inside], x, y)
            except (SpecError, IndexError) as error:
                raise SpecError(f"phase {name}: {error}") from None
        found = fit_references(radial, intensity, sigma, references, window=(low, high), threads=threads)
        maps = {}
        for row, name in enumerate(self.phases):
            for what, estimate in (("weight", found.weights), ("fraction", found.fractions)):
                maps[f"{name}_{what}"] = Estimate(estimate.value[..., row], estimate.sigma[..., row])
        maps["chi2"] = Estimate(found.chi2, np.full(found.chi2.shape, np.nan))
        return maps


def read_references(files: Mapping[str, str | Path]) -> dict[str, Reference]:
    """Read reference patterns, by name, from text files.

    Raises
    ------
    InputError
        A file cannot be read or is no pattern.
    """
    from aureole.io.read_text import read_text

    found = {name: read_text(path) for name, path in files.items()}
    return {name: (pattern.radial, pattern.intensity) for name, pattern in found.items()}
