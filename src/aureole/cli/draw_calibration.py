"""Figure of a calibration: rings over the image, and how far points are off them."""

from __future__ import annotations

from collections.abc import Sequence
from math import degrees
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aureole.cli import draw_frame as frames
from aureole.cli.figures import ACCENT, LINE, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aureole.calibration import Calibration

_MOST = 3.0
"""Residuals beyond so many times their spread are drawn at the end of the scale."""
_POINT = 0.7
RIGHT = 6.3
"""Width of the residuals in inches."""


def figure_size(shape: tuple[int, int]) -> tuple[float, float]:
    """Return width and height in inches that suit an image and the residuals beside it."""
    width, height = frames.figure_size(shape)
    return width + RIGHT, max(height, 6.5)


def draw_calibration(
    figure: Figure, result: Calibration, image: NDArray[np.generic], valid: NDArray[np.bool_], *, name: str
) -> None:
    """Draw the image with the rings and points found; beside it the residuals against azimuth and 2θ.

    Parameters
    ----------
    figure : Figure
    result : Calibration
    image : ndarray, shape (n1, n2)
    valid : ndarray of bool, shape (n1, n2)
    name : str
        Of the image.
    """
    width, _ = frames.figure_size((image.shape[0], image.shape[1]))
    left, right = figure.subfigures(1, 2, width_ratios=(width, RIGHT), squeeze=False)[0]
    axes = frames.draw_frame(left, image, valid)
    draw_fit(axes, result)
    centre = frames.mark_beam_centre(axes, result.geometry)
    frames.write_title(axes, plain(name), f"{result.calibrant.name}, {len(result.rings)} rings  ·  {centre}")
    upper, lower = right.subplots(2, 1, height_ratios=(1.5, 1.0))
    _draw_map(right, upper, result)
    rings, rest = residuals_in_pixels(result)
    of_rings = [rest[rings == ring.index] for ring in result.rings]
    draw_means(lower, [degrees(ring.two_theta) for ring in result.rings], of_rings)
    lower.set_xlabel("2θ (°)")
    lower.set_title("Mean of each ring, its error, and the scatter of its points (thin)")


def draw_fit(axes: Axes, result: Calibration) -> None:
    """Draw rings over an image where they should be, and the points found; outliers as crosses."""
    geometry = result.geometry
    largest = float(geometry.center_array("2th_rad").max())
    rings, _ = frames.rings_of(result.calibrant, geometry, largest)
    frames.draw_rings(axes, geometry, rings)
    wrong = result.fit.weights == 0.0
    at = result.points_in_pixels()
    axes.plot(at[~wrong, 1], at[~wrong, 0], ".", color="white", markersize=_POINT, alpha=0.8)
    axes.plot(at[wrong, 1], at[wrong, 0], "x", color=ACCENT, markersize=3.0)


def residuals_in_pixels(result: Calibration) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return ring and residual (pixels) of the points that count, each of shape (N,)."""
    used = result.fit.weights > 0.0
    rest = result.fit.residuals() / result.extraction.pixel
    return result.extraction.measured.rings[used], rest[used]


def draw_means(axes: Axes, at: Sequence[float], rest: Sequence[NDArray[np.float64]]) -> None:
    """Draw the mean of some groups of residuals (pixels) with its error, and the scatter within each."""
    mean, spread = (np.array([getattr(group, kind)() for group in rest]) for kind in ("mean", "std"))
    error = spread / np.sqrt([group.size for group in rest])
    axes.axhline(0.0, color="#888888", linewidth=0.8)
    axes.vlines(at, mean - spread, mean + spread, color=LINE, linewidth=1.0, alpha=0.35)
    axes.errorbar(at, mean, error, fmt="o", color=LINE, markersize=3.5, linewidth=1.4)
    axes.set_ylabel("Residual (pixels)")


def _draw_map(figure: Figure, axes: Axes, result: Calibration) -> None:
    """Draw the residual of each point at its azimuth and ring: a wrong centre or tilt makes waves."""
    found, used = result.extraction, result.fit.weights > 0.0
    rest = result.fit.residuals() / found.pixel
    limit = _MOST * max(1.4826 * float(np.median(np.abs(rest[used]))), 1e-6)
    picture = axes.scatter(
        np.degrees(found.azimuth[used]),
        np.degrees(found.two_theta[used]),
        c=rest[used],
        s=5,
        cmap="coolwarm",
        vmin=-limit,
        vmax=limit,
        linewidths=0,
    )
    axes.set_xlim(-180, 180)
    axes.set_xticks(range(-180, 181, 60))
    axes.set_xlabel("Azimuth χ (°)")
    axes.set_ylabel("2θ (°)")
    axes.set_title("Residual of each point")
    bar = figure.colorbar(picture, ax=axes, pad=0.015, aspect=30, extend="both")
    bar.set_label("2θ found − 2θ of the ring (pixels)")
    bar.outline.set_linewidth(0.6)
