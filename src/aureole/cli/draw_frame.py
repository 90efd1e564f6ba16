"""Figure of one frame: the image as it is stored, with rings where the geometry puts them."""

from __future__ import annotations

from collections.abc import Sequence
from math import degrees
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.cli.figures import ACCENT, IMAGE_MAP, MASKED, contrast, number, round_ticks
from aureole.errors import GeometryError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aureole.calibration import Calibrant, Reflection
    from aureole.geometry import Geometry

F64 = NDArray[np.float64]
Pixel = tuple[int, int]

_RING = "#6ee7ff"
_GRID_POINTS = 500
"""Contours are found on a grid of about so many points a side: rings are smooth."""
_MOST_RINGS = 60
_FEW_COUNTS = 1.0
"""Counts a pixel below which neighbours are averaged for the picture."""
_FEWEST_POINTS = 300
"""Points a side that are left at least."""
_SECTOR = 30.0
"""Degrees of azimuth in which rings are drawn, and then not, in turn."""
_LABELS_APART = 0.022
"""Least distance of two labels, as a part of the diagonal of the image."""


class Ring(NamedTuple):
    """Where a ring is (2θ in rad) and what it is called."""

    two_theta: float
    label: str


def rings_of(calibrant: Calibrant, geometry: Geometry, largest: float) -> tuple[list[Ring], float]:
    """Return the rings of a calibrant up to a scattering angle (rad), and up to where they are known.

    The geometry needs a wavelength. If that is very short, there are too many rings for all to be known.
    """
    wavelength = geometry.wavelength
    if wavelength is None:
        raise GeometryError("rings need a wavelength and the PONI has none: give --energy or --wavelength")
    shortest = wavelength / (2.0 * np.sin(0.5 * largest))
    if shortest < calibrant.finest:
        shortest = calibrant.finest
        largest = 2.0 * float(np.arcsin(0.5 * wavelength / shortest))
    rings = []
    for ring in calibrant.reflections(shortest):
        two_theta = 2.0 * float(np.arcsin(min(0.5 * wavelength / ring.d, 1.0)))
        rings.append(Ring(two_theta, _ring_label(ring)))
    return rings, largest


def _ring_label(ring: Reflection) -> str:
    if ring.hkl is None:
        return f"{ring.d * 1e10:.4g} Å"
    return (" " if min(ring.hkl) < 0 or max(ring.hkl) > 9 else "").join(map(str, ring.hkl))


def round_rings(largest: float) -> list[Ring]:
    """Return rings at round scattering angles, about eight up to the largest (rad)."""
    from matplotlib.ticker import MaxNLocator

    angles = MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, degrees(largest))
    return [Ring(float(np.radians(a)), f"{a:g}°") for a in angles if 0.0 < a < degrees(largest)]


def draw_frame(
    figure: Figure, image: NDArray[np.generic], valid: NDArray[np.bool_], *, scale: str = "auto"
) -> Axes:
    """Draw an image as it is stored, row 0 at the bottom; pixels without a value in grey.

    Parameters
    ----------
    figure : Figure
    image : ndarray, shape (n1, n2)
    valid : ndarray of bool, shape (n1, n2)
    scale : {"auto", "linear", "log"}
        Of the colours; "auto" is linear near zero and logarithmic above (asinh).
    """
    import matplotlib as mpl
    from matplotlib.colors import AsinhNorm, LogNorm, Normalize
    from matplotlib.ticker import NullLocator

    axes = figure.subplots()
    values = np.where(valid, image, np.nan).astype(np.float64)
    factor = _pooling(values)
    values = _pooled(values, factor)
    low, high = contrast(values, 1.0, 99.8)
    norm: Normalize
    if scale == "linear":
        norm = Normalize(low, high)
    elif scale == "log":
        low = max(low, high * 1e-6, 1e-300)
        norm = LogNorm(low, high)
    else:
        middle = float(np.nanmedian(values)) - low if np.isfinite(values).any() else 0.0
        norm = AsinhNorm(max(0.02 * (high - low), middle, 1e-300), low, high)
    picture = axes.imshow(
        np.ma.masked_invalid(values),
        origin="lower",
        cmap=mpl.colormaps[IMAGE_MAP].with_extremes(bad=MASKED),
        norm=norm,
        interpolation="antialiased",
        interpolation_stage="data",
        extent=(0, values.shape[1] * factor, 0, values.shape[0] * factor),
    )
    axes.set_xlim(0, image.shape[1])
    axes.set_ylim(0, image.shape[0])
    axes.spines[["top", "right"]].set_visible(True)
    axes.set_xlabel("Column (fast axis, pixels)")
    axes.set_ylabel("Row (slow axis, pixels)")
    bar = figure.colorbar(picture, ax=axes, pad=0.015, aspect=40, extend="both")
    what = "Raw value" if factor == 1 else f"Mean raw value of {factor} x {factor} pixels"
    bar.set_label(what + {"auto": " (asinh scale)", "log": " (log scale)"}.get(scale, ""))
    if scale == "auto":
        ticks = round_ticks(low, high)
        bar.set_ticks(ticks, labels=[number(tick) for tick in ticks])
        bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.outline.set_linewidth(0.6)
    return axes


def _pooling(values: F64) -> int:
    """Return over how many pixels a side to average, so that few counts make a picture and not a haze."""
    mean = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
    if not 0.0 < mean < _FEW_COUNTS or np.nanmin(values) < 0.0:
        return 1
    return int(min(np.ceil(np.sqrt(_FEW_COUNTS / mean)), max(1, min(values.shape) // _FEWEST_POINTS)))


def _pooled(values: F64, factor: int) -> F64:
    """Return the means of blocks of pixels that have a value."""
    if factor == 1:
        return values
    rows, columns = (-(-count // factor) for count in values.shape)
    padded = np.full((rows * factor, columns * factor), np.nan)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(rows, factor, columns, factor)
    count = np.isfinite(blocks).sum((1, 3))
    means = np.full((rows, columns), np.nan)
    np.divide(np.nansum(blocks, (1, 3)), count, out=means, where=2 * count > factor * factor)
    return means


def figure_size(shape: tuple[int, int]) -> tuple[float, float]:
    """Return width and height in inches that suit an image."""
    height = 8.0
    width = min(max((height - 1.2) * shape[1] / shape[0] + 1.7, 4.5), 13.0)
    return width, min(height, (width - 1.7) * shape[0] / shape[1] + 1.2)


def write_title(axes: Axes, name: str, subtitle: str, warning: str = "") -> None:
    """Write what the image is above it, and a warning across it."""
    axes.set_title(name, fontsize=11.5, pad=21)
    axes.annotate(
        subtitle, (0.0, 1.0), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=9.0
    )
    if warning:
        box = {"boxstyle": "round,pad=0.45", "facecolor": ACCENT, "edgecolor": "none", "alpha": 0.95}
        axes.text(
            0.5,
            0.975,
            warning,
            transform=axes.transAxes,
            ha="center",
            va="top",
            color="white",
            fontsize=9.0,
            fontweight="bold",
            bbox=box,
        )


def draw_rings(axes: Axes, geometry: Geometry, rings: Sequence[Ring]) -> int:
    """Draw rings over an image as contours of 2θ, which is right for tilted detectors too.

    They are drawn in every second sector of azimuth, so that the eye can follow the measured ring from where
    it is covered to where it is not.

    Returns
    -------
    int
        How many of the rings meet the detector and were drawn.
    """
    from matplotlib import patheffects

    two_theta = geometry.center_array("2th_rad")
    seen = [ring for ring in rings if two_theta.min() < ring.two_theta < two_theta.max()][:_MOST_RINGS]
    if not seen:
        return 0
    rows, columns = (_grid(count) for count in two_theta.shape)
    azimuth = geometry.center_array("chi_deg")
    start, end = _label_line(two_theta)
    sector = np.floor((azimuth[np.ix_(rows, columns)] - azimuth[end]) / _SECTOR + 0.5)
    axes.contour(
        columns + 0.5,
        rows + 0.5,
        np.ma.masked_where(sector % 2 != 0, two_theta[np.ix_(rows, columns)]),
        levels=[ring.two_theta for ring in seen],
        colors=_RING,
        linewidths=0.7,
        alpha=0.9,
    )
    outline = [patheffects.withStroke(linewidth=1.8, foreground="#000000c0")]
    for ring, (row, column) in _label_places(two_theta, seen, start, end):
        axes.text(
            column,
            row,
            ring.label,
            color=_RING,
            fontsize=6.5,
            ha="center",
            va="center",
            path_effects=outline,
            clip_on=True,
        )
    return len(seen)


def _grid(count: int) -> NDArray[np.intp]:
    step = max(1, count // _GRID_POINTS)
    return np.unique(np.append(np.arange(0, count, step), count - 1))


def _label_line(two_theta: F64) -> tuple[Pixel, Pixel]:
    """Return the innermost pixel and the farthest corner: the names of rings stand between them."""
    last = (two_theta.shape[0] - 1, two_theta.shape[1] - 1)
    corners = [(row, column) for row in (0, last[0]) for column in (0, last[1])]
    row, column = np.unravel_index(int(np.argmin(two_theta)), two_theta.shape)
    return (int(row), int(column)), max(corners, key=lambda corner: float(two_theta[corner]))


def _label_places(
    two_theta: F64, rings: Sequence[Ring], start: Pixel, end: Pixel
) -> list[tuple[Ring, tuple[float, float]]]:
    """Return which rings to name, and where: on the line, apart from each other and from the border."""
    shape = two_theta.shape
    along = np.linspace(0.0, 1.0, 2000)
    path = [start[axis] + along * (end[axis] - start[axis]) for axis in (0, 1)]
    values = np.maximum.accumulate(two_theta[path[0].astype(np.intp), path[1].astype(np.intp)])
    places: list[tuple[Ring, tuple[float, float]]] = []
    apart = _LABELS_APART * float(np.hypot(*shape))
    for ring in rings:
        if not values[0] < ring.two_theta < values[-1]:
            continue
        at = float(np.interp(ring.two_theta, values, along))
        row, column = (start[axis] + at * (end[axis] - start[axis]) + 0.5 for axis in (0, 1))
        if min(row, shape[0] - row, column, shape[1] - column) < apart:
            continue
        if not places or np.hypot(row - places[-1][1][0], column - places[-1][1][1]) > apart:
            places.append((ring, (row, column)))
    return places


def mark_beam_centre(axes: Axes, geometry: Geometry) -> str:
    """Mark where the direct beam meets the detector and return a line that says where that is."""
    try:
        row, column = geometry.beam_center()
    except GeometryError:
        return "the direct beam does not meet the detector"
    shape = geometry.shape
    inside = 0 <= row <= shape[0] and 0 <= column <= shape[1]
    if inside:
        from matplotlib import patheffects

        style: dict[str, Any] = {"color": ACCENT, "linestyle": "none", "clip_on": True}
        style["path_effects"] = [patheffects.withStroke(linewidth=3.0, foreground="white")]
        axes.plot(column, row, marker="+", markersize=13, markeredgewidth=1.6, **style)
    text = f"beam centre: row {row:.1f}, column {column:.1f}"
    return text if inside else f"{text} (outside of the image)"
