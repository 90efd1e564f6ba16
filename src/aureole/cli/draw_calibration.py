"""Figure of a calibration: rings over the image, and how far points are off them."""

from __future__ import annotations

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
_RIGHT = 6.3
"""Width of the residuals in inches."""


def figure_size(shape: tuple[int, int]) -> tuple[float, float]:
    """Return width and height in inches that suit an image and the residuals beside it."""
    width, height = frames.figure_size(shape)
    return width + _RIGHT, max(height, 6.5)


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
    left, right = figure.subfigures(1, 2, width_ratios=(width, _RIGHT), squeeze=False)[0]
    axes = frames.draw_frame(left, image, valid)
    geometry = result.geometry
    largest = float(geometry.center_array("2th_rad").max())
    rings, _ = frames.rings_of(result.calibrant, geometry, largest)
    frames.draw_rings(axes, geometry, rings)
    centre = frames.mark_beam_centre(axes, geometry)
    wrong = result.fit.weights == 0.0
    at = result.points_in_pixels()
    axes.plot(at[~wrong, 1], at[~wrong, 0], ".", color="white", markersize=_POINT, alpha=0.8)
    axes.plot(at[wrong, 1], at[wrong, 0], "x", color=ACCENT, markersize=3.0)
    frames.write_title(axes, plain(name), f"{result.calibrant.name}, {len(result.rings)} rings  ·  {centre}")
    upper, lower = right.subplots(2, 1, height_ratios=(1.5, 1.0))
    _draw_map(right, upper, result)
    _draw_means(lower, result)


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


def _draw_means(axes: Axes, result: Calibration) -> None:
    """Draw the mean residual of each ring with the scatter of its points."""
    rings = result.rings
    angle = [degrees(ring.two_theta) for ring in rings]
    mean = np.array([ring.mean / ring.pixel for ring in rings])
    spread = np.array([np.sqrt(max(ring.rms**2 - ring.mean**2, 0.0)) / ring.pixel for ring in rings])
    error = spread / np.sqrt([max(ring.found, 1) for ring in rings])
    axes.axhline(0.0, color="#888888", linewidth=0.8)
    axes.vlines(angle, mean - spread, mean + spread, color=LINE, linewidth=1.0, alpha=0.35)
    axes.errorbar(angle, mean, error, fmt="o", color=LINE, markersize=3.5, linewidth=1.4)
    axes.set_xlabel("2θ (°)")
    axes.set_ylabel("Residual (pixels)")
    axes.set_title("Mean of each ring, its error, and the scatter of its points (thin)")
