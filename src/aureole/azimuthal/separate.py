"""What stands out of the rings, and what does not: Bragg peaks and the amorphous background, as images."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal.corrections import invalid_in_frames, shaped
from aureole.azimuthal.plan import Plan
from aureole.azimuthal.project import Counting, along_radius
from aureole.azimuthal.result import Pattern
from aureole.azimuthal.shortcuts import Options
from aureole.azimuthal.spec import IntegrationSpec
from aureole.errors import FrameCorrupt, SpecError
from aureole.frames import EncodedFrame
from aureole.geometry import Geometry
from aureole.kernels import decode
from aureole.kernels.robust import Trim
from aureole.kernels.sums import is_invalid

F64 = NDArray[np.float64]


class Separation(NamedTuple):
    """Two images whose sum is the frame, and the pattern that one of them is made of.

    Attributes
    ----------
    bragg, amorphous : ndarray, shape (n1, n2)
        In counts; NaN in invalid pixels and outside of the range of the pattern.
    pattern : Pattern
    """

    bragg: F64
    amorphous: F64
    pattern: Pattern


def at_percentile(percentile: float) -> Trim:
    """Return the rule that takes the pixels at a percentile of each bin."""
    if not 0.0 <= percentile <= 100.0:
        raise SpecError(f"percentile {percentile:g}: it lies between 0 and 100")
    return Trim(percentile, percentile)


class Separator:
    """Separates frames by one plan: its pattern, made an image again, is the amorphous part.

    Parameters
    ----------
    spec : IntegrationSpec
        With a radial axis and a rule for what does not count in a bin (`Trim` or `Clip`).
    threads : int, optional
        How many make the table; all available cores without it.

    Raises
    ------
    SpecError
        A spec of another kind.
    """

    def __init__(self, spec: IntegrationSpec, *, threads: int | None = None) -> None:
        if (
            spec.radial is None
            or not spec.radial.bins
            or (spec.azimuthal is not None and spec.azimuthal.bins)
        ):
            raise SpecError("separating needs bins along a radial axis alone")
        if spec.robust is None:
            raise SpecError(
                "separating needs robust=Trim(...) or Clip(...), so that Bragg peaks do not count"
            )
        self.plan: Plan = spec.plan(threads=threads)
        geometry = shaped(spec)
        self._counting = Counting.of(spec)
        self._detector = geometry.detector
        self._place = geometry.center_array(spec.radial.unit, sample=spec.sample, threads=threads)

    def __call__(self, image: NDArray[Any] | EncodedFrame) -> Separation:
        """Separate one frame; raises `FrameError` where it cannot be used."""
        pattern = self.plan.integrate(image, threads=1)
        assert isinstance(pattern, Pattern)
        assert pattern.radial is not None
        if not np.isfinite(pattern.intensity).any():
            name = image.name if isinstance(image, EncodedFrame) else "image"
            raise FrameCorrupt(name, "not one of its pixels is valid")
        raw = decode(image) if isinstance(image, EncodedFrame) else image
        counts = raw.astype(np.float64)
        amorphous = self._counting.counts(along_radius(self._place, pattern.radial, pattern.intensity))
        amorphous[is_invalid(counts, invalid_in_frames(self.plan.spec, self._detector, raw.dtype))] = np.nan
        return Separation(counts - amorphous, amorphous, pattern)


def separate(
    image: NDArray[Any] | EncodedFrame,
    geometry: Geometry,
    npt: int = 1000,
    *,
    unit: str = "2th_deg",
    percentile: float = 50.0,
    **options: Unpack[Options],
) -> Separation:
    """Separate Bragg peaks from the amorphous or powder background of a frame.

    The background is a percentile of the intensities at each radius, the median by default, made an image
    again; peaks are the rest. For many frames make a `Separator`.

    Parameters
    ----------
    image : ndarray of shape (n1, n2), or EncodedFrame
    geometry : Geometry
        A detector without a shape gets that of the image.
    npt : int
        Number of radial bins.
    unit : str
        Of the radial axis.
    percentile : float
        From 0 to 100.
    **options
        Fields of `IntegrationSpec`; ``robust`` replaces the percentile.

    Returns
    -------
    Separation

    Raises
    ------
    SpecError
        Settings that are impossible.
    FrameError
        An image that cannot be used.
    """
    if geometry.detector.shape is None:
        geometry = geometry.with_shape(image.shape)
    fields: dict[str, Any] = {"robust": at_percentile(percentile), **options}
    return Separator(IntegrationSpec(geometry, radial=Axis(unit, npt), **fields))(image)
