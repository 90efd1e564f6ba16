"""Figures of results: mean pattern, waterfall or heat map, cake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aureole.cli.draw_pattern import draw_pattern, draw_relative_error
from aureole.cli.figures import IMAGE_MAP, MASKED, contrast, number, plain, round_ticks
from aureole.io.status import FrameStatus
from aureole.units import unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aureole.io.results import Overview, StoredResult
    from aureole.io.stored import StoredAxis

F64 = NDArray[np.float64]

_FEW = 12
"""Up to so many frames are drawn as lines above each other."""


def draw_result(figure: Figure, result: StoredResult, *, scale: str = "auto") -> None:
    """Draw all frames of a result at once.

    Parameters
    ----------
    figure : Figure
    result : StoredResult
    scale : {"auto", "linear", "log"}
        Of the intensities; "auto" looks at how far they reach.
    """
    overview = result.overview()
    figure.suptitle(plain(_title(result)), x=0.01, ha="left", fontsize=11.5, fontweight="bold")
    axis = result.radial or result.azimuthal
    assert axis is not None
    if result.is_cake:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 2.2))
        draw_pattern(upper, axis.centres, _azimuthal_mean(overview.mean), None, scale=scale)
        assert result.azimuthal is not None
        other = "azimuth" if result.azimuthal.unit.startswith("chi") else "the rows below"
        upper.set_title(f"Mean over {other}" + _of_frames(result))
        _cake(figure, lower, result, overview)
    else:
        lower = _patterns(figure, axis, result, overview, scale)
    lower.set_xlabel(axis.label)
    half = _half_bin(axis)
    lower.set_xlim(axis.centres[0] - half, axis.centres[-1] + half)


def figure_size(result: StoredResult) -> tuple[float, float]:
    """Return width and height in inches that suit a result."""
    return (8.4, 7.4) if result.is_cake or len(result.status) > 1 else (8.4, 5.0)


def _patterns(figure: Figure, axis: StoredAxis, result: StoredResult, overview: Overview, scale: str) -> Axes:
    """Draw mean, relative error and all frames, as far as there are any; return the lowest axes."""
    several, sigma = len(result.status) > 1, overview.sigma
    heights = [1.2] + [0.3] * (sigma is not None) + [1.6] * several
    panels = list(np.atleast_1d(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)))
    draw_pattern(panels[0], axis.centres, overview.mean, sigma, scale=scale)
    panels[0].set_title("Mean pattern" + _of_frames(result) if several else "Pattern")
    if sigma is not None:
        draw_relative_error(panels[1], axis.centres, overview.mean, sigma)
    if several and len(result.status) <= _FEW:
        _waterfall(panels[-1], axis, overview, logarithmic=panels[0].get_yscale() == "log")
    elif several:
        _heat_map(figure, panels[-1], axis, overview)
    last: Axes = panels[-1]
    return last


def _half_bin(axis: StoredAxis) -> float:
    span = float(axis.centres[-1] - axis.centres[0])
    return 0.5 * span / (axis.centres.size - 1) if axis.centres.size > 1 else 0.5


def _title(result: StoredResult) -> str:
    return f"{result.path.name}  ·  {result.detector}  ·  aureole {result.facts['version']}"


def _of_frames(result: StoredResult) -> str:
    total, done = len(result.status), result.count(FrameStatus.DONE)
    if total == 1:
        return ""
    rest = "" if done == total else f" ({total - done} bad or missing)"
    return f" of {done} frames{rest}"


def _azimuthal_mean(cake: F64) -> F64:
    valid = np.isfinite(cake)
    count = valid.sum(0)
    sums = np.where(valid, cake, 0.0).sum(0)
    mean = np.full(sums.shape, np.nan)
    np.divide(sums, count, out=mean, where=count > 0)
    return mean


def _waterfall(axes: Axes, axis: StoredAxis, overview: Overview, *, logarithmic: bool) -> None:
    import matplotlib as mpl

    rows = overview.rows
    shifted = _shifted(rows, logarithmic=logarithmic)
    if logarithmic:
        axes.set_yscale("log", nonpositive="mask")
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(rows)))
    for place, (row, colour) in enumerate(zip(shifted, colours, strict=True)):
        axes.plot(axis.centres, row, color=colour, linewidth=0.9)
        shown = row[row > 0.0] if logarithmic else row[np.isfinite(row)]
        if shown.size:
            axes.annotate(
                f"{overview.edges[place]}",
                (1.005, float(np.median(shown[-(1 + shown.size // 20) :]))),
                xycoords=("axes fraction", "data"),
                color=colour,
                fontsize=7.5,
                va="center",
            )
    axes.set_ylabel("Intensity, shifted")
    axes.yaxis.set_ticks([])
    axes.yaxis.set_ticks([], minor=True)
    axes.set_title("Frames (numbers at the right)")
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)


def _shifted(rows: F64, *, logarithmic: bool) -> F64:
    """Return rows one above the other: added to each other, or multiplied for a logarithmic scale."""
    place = np.arange(len(rows))[:, None]
    if logarithmic:
        low, high = contrast(np.where(rows > 0.0, rows, np.nan), 5.0, 99.5)
        return rows * (max(high, 1e-300) / max(low, 1e-300)) ** (0.25 * place)
    low, high = contrast(rows, 5.0, 99.5)
    return rows + 0.35 * (high - low) * place


def _heat_map(figure: Figure, axes: Axes, axis: StoredAxis, overview: Overview) -> None:
    low, high = contrast(overview.rows, 4.0, 99.6)
    half = _half_bin(axis)
    extent = (axis.centres[0] - half, axis.centres[-1] + half, -0.5, overview.edges[-1] - 0.5)
    picture = _show(axes, overview.rows, extent, low, high)
    axes.set_ylabel("Frame")
    each = int(np.max(np.diff(overview.edges)))
    axes.set_title("All frames" + (f" (each row: up to {each})" if each > 1 else ""))
    _colour_bar(figure, axes, picture)


def _cake(figure: Figure, axes: Axes, result: StoredResult, overview: Overview) -> None:
    radial, azimuthal = result.radial, result.azimuthal
    assert radial is not None
    assert azimuthal is not None
    low, high = contrast(overview.mean, 4.0, 99.6)
    limits = []
    for axis in (radial, azimuthal):
        half = _half_bin(axis)
        limits += [axis.centres[0] - half, axis.centres[-1] + half]
    picture = _show(axes, overview.mean, (limits[0], limits[1], limits[2], limits[3]), low, high)
    if unit(azimuthal.unit).kind == "either" and _measure(azimuthal) == _measure(radial):
        axes.set_aspect("equal")  # rings are circles
    axes.set_ylabel(azimuthal.label)
    if azimuthal.unit == "chi_deg" and limits[3] - limits[2] > 100.0:
        from matplotlib.ticker import MultipleLocator

        axes.yaxis.set_major_locator(MultipleLocator(45.0))
    axes.set_title("Cake" if len(result.status) == 1 else "Mean cake")
    _colour_bar(figure, axes, picture)


def _measure(axis: StoredAxis) -> str:
    return axis.unit.rpartition("_")[2]


def _show(axes: Axes, rows: F64, extent: tuple[float, float, float, float], low: float, high: float) -> Any:
    import matplotlib as mpl
    from matplotlib.colors import PowerNorm

    colours = mpl.colormaps[IMAGE_MAP].with_extremes(bad=MASKED)
    axes.spines[["top", "right"]].set_visible(True)
    return axes.imshow(
        np.ma.masked_invalid(rows),
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap=colours,
        norm=PowerNorm(0.5, low, high, clip=False),
        interpolation="nearest" if len(rows) < 400 else "antialiased",
    )


def _colour_bar(figure: Figure, axes: Axes, picture: Any) -> None:
    bar = figure.colorbar(picture, ax=axes, pad=0.01, aspect=28, extend="both")
    ticks = round_ticks(picture.norm.vmin, picture.norm.vmax)
    bar.set_ticks(ticks, labels=[number(tick) for tick in ticks])
    bar.set_label("Intensity (square-root scale)")
    bar.outline.set_linewidth(0.6)
