"""What is made of the patterns of a map or a volume: images of regions, peaks and phases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
_TAKEN = (
    *("entry", "title", "data", "sinogram", "scan", "instrument", "monitor", "reduction", "reconstruction"),
    *("frame_status", "frame_message", "frame_backend"),
)
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
        for what, given in (("an image", names), ("a phase", self.phases)):
            for name in given:
                if not name.replace("_", "").replace("-", "").isalnum():
                    raise SpecError(f"{name!r} is no name for {what}: letters, digits, _ and -")
                if name in _TAKEN:
                    raise SpecError(f"{name!r} is the name of something else in the file: choose another")

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
            with _named(name):
                found = region(
                    radial,
                    intensity,
                    sigma,
                    window=window,
                    background="linear" if self.background else "none",
                )
            images[name] = {"total": found.total, "mean": found.mean, "centre": found.centre}
        for name, window in self.peaks.items():
            with _named(name):
                peak = fit_peaks(radial, intensity, sigma, window=window, threads=threads)
            images[name] = {
                "area": peak.area,
                "position": peak.position,
                "fwhm": peak.fwhm,
                "background": peak.background,
                "status": Estimate(peak.status.astype(np.float64), np.full(peak.status.shape, np.nan)),
            }
        if self.phases:
            with _named("phases"):
                images["phases"] = self._phases(radial, intensity, sigma, threads)
        return images

    def _phases(
        self,
        radial: NDArray[np.float64],
        intensity: NDArray[np.float32],
        sigma: NDArray[np.float32] | None,
        threads: int | None,
    ) -> dict[str, Estimate]:
        if self.window is None:
            low = max(float(radial[0]), *(float(x[0]) for x, _ in self.phases.values()))
            high = min(float(radial[-1]), *(float(x[-1]) for x, _ in self.phases.values()))
        else:
            low, high = self.window
        inside = (radial >= low) & (radial <= high)
        if not inside.any():
            which = f"{low:g} to {high:g}" if low < high else "that they and all references have"
            raise SpecError(f"the patterns have no bins in the range {which}")
        references = {name: np.zeros(len(radial)) for name in self.phases}
        for name, (x, y) in self.phases.items():
            with _named(name):
                references[name][inside] = reference_on(radial[inside], x, y)
        found = fit_references(radial, intensity, sigma, references, window=(low, high), threads=threads)
        maps = {}
        for row, name in enumerate(self.phases):
            for what, estimate in (("weight", found.weights), ("fraction", found.fractions)):
                maps[f"{name}_{what}"] = Estimate(estimate.value[..., row], estimate.sigma[..., row])
        maps["chi2"] = Estimate(found.chi2, np.full(found.chi2.shape, np.nan))
        return maps


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say in what is raised which image it is about."""
    try:
        yield
    except SpecError as error:
        raise SpecError(f"{name}: {error}") from None


def read_references(files: Mapping[str, str | Path], unit: str) -> dict[str, Reference]:
    """Read reference patterns, by name, from text files.

    Parameters
    ----------
    files : mapping of str to path
    unit : str
        Name of the radial unit of the patterns that they are for.

    Raises
    ------
    InputError
        A file cannot be read, is no pattern, or says that its unit is another (`SpecError`).
    """
    from aureole.io.read_text import read_text

    found = {name: read_text(path) for name, path in files.items()}
    for name, pattern in found.items():
        if pattern.unit not in (None, unit):
            raise SpecError(f"{files[name]}: is against {pattern.unit}, and patterns are against {unit}")
    return {name: (pattern.radial, pattern.intensity) for name, pattern in found.items()}
