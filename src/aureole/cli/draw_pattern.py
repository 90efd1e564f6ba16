"""One pattern with the band of its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aureole.cli.figures import BAND, LINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

F64 = NDArray[np.float64]

_BAND = 3.0
"""Half width of the band of errors in standard errors."""
_STEEP = 300.0
"""Ratio of the largest to the small intensities beyond which they are drawn on a logarithmic scale."""
_FALL = 10.0
"""The same for how far they fall with the radius, peaks set aside: that of small angles falls farther."""


def draw_pattern(
    axes: Axes, x: F64, mean: F64, sigma: F64 | None, *, scale: str, label: str = "intensity"
) -> None:
    """Draw one pattern with the band of its errors.

    Parameters
    ----------
    axes : Axes
    x, mean, sigma : ndarray, shape (bins,)
        Sigma may be None.
    scale : {"auto", "linear", "log"}
        Of the intensities; "auto" looks at how far they reach.
    label : str
        What the line is called beside the band.
    """
    logarithmic = scale == "log" or (scale == "auto" and _is_steep(mean))
    positive = mean[mean > 0.0]
    if sigma is not None:
        low, high = mean - _BAND * sigma, mean + _BAND * sigma
        if logarithmic and positive.size:
            low, high = (np.maximum(limit, 0.3 * positive.min()) for limit in (low, high))
        axes.fill_between(x, low, high, color=BAND, alpha=0.55, linewidth=0, label=f"± {_BAND:g} σ")
    axes.plot(x, mean, color=LINE, linewidth=0.9, label=label)
    if logarithmic:
        axes.set_yscale("log", nonpositive="mask")
    else:
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(mean))))
    axes.set_ylabel("Intensity")
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    if sigma is not None:
        axes.legend(loc="upper right", ncols=2)


def draw_relative_error(axes: Axes, x: F64, mean: F64, sigma: F64) -> None:
    """Draw the error of a pattern in per cent: good ones have bands that hide behind the line.

    Parameters
    ----------
    axes : Axes
    x, mean, sigma : ndarray, shape (bins,)
    """
    percent = np.divide(100.0 * sigma, mean, out=np.full(mean.shape, np.nan), where=mean > 0.0)
    axes.plot(x, percent, color=LINE, linewidth=0.8)
    axes.set_ylabel("σ / I (%)")
    axes.set_yscale("log", nonpositive="mask")
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.yaxis.set_minor_formatter("")
    shown = percent[percent > 0.0]
    reach = shown.max() / shown.min() if shown.size else np.inf
    if reach < 30.0:
        from matplotlib.ticker import LogLocator, MaxNLocator

        # Powers of ten are too few labels, and below a ratio of 5 there may be but one of 1, 2, 5.
        few = MaxNLocator(4, steps=[1, 2, 5, 10])
        axes.yaxis.set_major_locator(few if reach < 5.0 else LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _is_steep(values: F64) -> bool:
    positive = values[np.isfinite(values) & (values > 0.0)]
    if positive.size < max(8, values.size // 2):
        return False
    low, high = np.percentile(positive, (5.0, 99.9))
    # Medians of pieces that are wider than a peak.
    pieces = np.array_split(positive, min(25, 1 + positive.size // 20))
    level = np.array([np.median(piece) for piece in pieces])
    return bool(high > _STEEP * low or level.max() > _FALL * level[level.argmax() :].min())
