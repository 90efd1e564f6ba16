"""Figures of maps and tomograms: sinogram, slice, patterns, images."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aureole.cli.draw_images import GREY, MARK, Panel, aspect, draw_panel, image_panels, step_of
from aureole.cli.draw_pattern import draw_pattern, draw_relative_error
from aureole.cli.figures import ACCENT, plain
from aureole.cli.places import place_text, position_text
from aureole.errors import FormatError
from aureole.io.status import FrameStatus

if TYPE_CHECKING:
    from matplotlib.figure import Figure, FigureBase

    from aureole.io.scan_results import StoredPattern, StoredScan

F64 = NDArray[np.float64]

_WIDTH = 10.6
_COLUMNS = 4
_MOST_PANELS = 12
"""So many images at most are in an overview."""


@dataclass(frozen=True, slots=True)
class View:
    """What is drawn of a scan.

    Attributes
    ----------
    what : {"overview", "sinogram", "slice", "voxel", "maps"}
    layer : int or None
        Of a tomogram.
    place : tuple of int or None
        The place whose pattern is drawn, of the shape of a layer or map; the brightest without it.
    window : (float, float) or None
        Radial range that sinogram and slice are the mean of; all bins without it.
    scale : {"auto", "linear", "log"}
        Of intensities.
    """

    what: str
    layer: int | None
    place: tuple[int, ...] | None
    window: tuple[float, float] | None
    scale: str


@dataclass(frozen=True, slots=True)
class Content:
    """What was read to be drawn.

    Attributes
    ----------
    sinogram, slice : Panel or None
    images : list of Panel
    more : int
        How many images an overview has no room for.
    mean : ndarray or None
        The mean pattern of the layer or map.
    place : tuple of int
        Whose pattern it is, as it is counted in the file.
    pattern : StoredPattern or None
    """

    sinogram: Panel | None
    slice: Panel | None
    images: list[Panel]
    more: int
    mean: F64 | None
    place: tuple[int, ...]
    pattern: StoredPattern | None


def read_content(scan: StoredScan, view: View) -> Content:
    """Read what a view shows.

    Raises
    ------
    FormatError
        It cannot be read, or there is nothing to show.
    """
    if not np.any(scan.status == FrameStatus.DONE):
        raise FormatError(f"{scan.path}: not one of its {len(scan.status)} frames is done, nothing to show")
    whole = view.what == "overview"
    sinogram = _sinogram(scan, view) if scan.sinogram and view.what in ("overview", "sinogram") else None
    images = image_panels(scan, view.layer, telling=whole) if view.what in ("overview", "maps") else []
    if view.what == "maps" and not images:
        raise FormatError(f"{scan.path}: holds no images: reduce it with --roi, --peak or --phase")
    if view.what not in ("overview", "slice", "voxel"):
        return Content(sinogram, None, images, 0, None, (), None)
    survey = scan.patterns.survey(view.layer, _bins(scan, view))
    if not np.isfinite(survey.image).any():
        raise FormatError(f"{scan.path}: not one of its patterns has a value there, there is nothing to show")
    found = view.place
    if found is None:
        brightest = np.unravel_index(int(np.nanargmax(survey.image)), survey.image.shape)
        found = tuple(int(index) for index in brightest)
    place = found if view.layer is None else (view.layer, *found)
    pattern = scan.patterns.read(place)
    if not np.isfinite(pattern.intensity).any():
        raise FormatError(f"{scan.path}: {place_text(place)} has no values")
    axes = scan.patterns.axes if view.layer is None else scan.patterns.axes[1:]
    layer = Panel(
        "Mean intensity" if view.layer is None else "Slice: mean intensity",
        survey.image,
        axes,
        label=f"Intensity{_of_window(scan, view)}",
        points=scan.points,
        mark=None if view.what == "slice" else found,
    )
    shown = images[:_MOST_PANELS]
    return Content(sinogram, layer, shown, len(images) - len(shown), survey.mean, place, pattern)


def _sinogram(scan: StoredScan, view: View) -> Panel:
    assert scan.sinogram is not None
    survey = scan.sinogram.survey(view.layer, _bins(scan, view))
    label = f"Intensity{_of_window(scan, view)}"
    return Panel("Sinogram: mean intensity", survey.image, scan.sinogram.axes[1:], label=label, equal=False)


def figure_size(view: View, content: Content) -> tuple[float, float]:
    """Return width and height in inches that suit a view."""
    if view.what == "overview":
        return _WIDTH, 0.5 + sum(_heights(content))
    if view.what == "maps":
        return _WIDTH, 0.6 + _grid_height(content.images)
    if content.slice is not None and view.what == "slice":
        return 8.4, min(9.0, 1.1 + 6.6 * aspect(content.slice))
    return (8.4, 6.0) if view.what == "sinogram" else (8.4, 5.0)


def draw_scan(figure: Figure, scan: StoredScan, view: View, content: Content) -> None:
    """Draw a map or a tomogram."""
    figure.suptitle(plain(_title(scan, view)), x=0.01, ha="left", fontsize=11.5, fontweight="bold")
    if view.what == "overview":
        _overview(figure, scan, view, content)
    elif view.what == "maps":
        _grid(figure, content.images)
        _footnote(figure, 0)
    elif view.what == "voxel":
        _pattern(figure, scan, view, content)
    else:
        panel = content.sinogram or content.slice
        assert panel is not None
        draw_panel(figure, figure.subplots(), panel, logarithmic=view.scale == "log")


def _heights(content: Content) -> list[float]:
    """Return the heights of the rows of an overview: of a map, images and pattern."""
    if content.sinogram is None:
        assert content.slice is not None
        return [_grid_height([content.slice, *content.images]), 3.4]
    return [3.8, 3.4, _grid_height(content.images)] if content.images else [3.8, 3.4]


def _grid_height(panels: list[Panel]) -> float:
    columns = min(_COLUMNS, len(panels))
    return ceil(len(panels) / columns) * min(5.0, 0.75 + 0.58 * _WIDTH / columns * aspect(panels[0]))


def _overview(figure: Figure, scan: StoredScan, view: View, content: Content) -> None:
    assert content.slice is not None
    heights = _heights(content)
    parts: list[Any] = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if content.sinogram is None:
        _grid(parts[0], [content.slice, *content.images])
    else:
        left, right = parts[0].subplots(1, 2)
        draw_panel(figure, left, content.sinogram, logarithmic=view.scale == "log")
        draw_panel(figure, right, content.slice, logarithmic=view.scale == "log")
    _pattern(parts[1], scan, view, content)
    for part in parts[2:]:
        _grid(part, content.images)
    if content.images:
        _footnote(figure, content.more)


def _footnote(figure: Figure, more: int) -> None:
    text = f"{GREY}  ·  {more} more images: --what maps" if more else GREY
    figure.supxlabel(text, x=0.01, ha="left", fontsize=7.5, color="#555555")


def _grid(figure: FigureBase, panels: list[Panel]) -> None:
    rows = ceil(len(panels) / _COLUMNS)
    columns = min(_COLUMNS, len(panels))
    places = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes, panel in zip(places, panels, strict=False):
        draw_panel(figure, axes, panel, small=True)
    for axes in places[len(panels) :]:
        axes.remove()


def _pattern(figure: FigureBase, scan: StoredScan, view: View, content: Content) -> None:
    """Draw the pattern of a place and the mean of all, and below the relative error of that place."""
    assert content.pattern is not None
    assert content.mean is not None
    radial = scan.patterns.radial
    intensity, sigma, _ = content.pattern
    heights = [1.0] if sigma is None else [1.0, 0.28]
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    axes, lowest = panels[0], panels[-1]
    axes.plot(radial.centres, content.mean, color=ACCENT, linewidth=0.9, label="mean of all")
    # Noise of a volume falls below zero, where a logarithmic scale has nothing.
    scale = "linear" if view.scale == "auto" and scan.kind == "tomogram" else view.scale
    draw_pattern(axes, radial.centres, intensity, sigma, scale=scale, label="here")
    if axes.get_yscale() == "linear":
        both = np.concatenate([intensity, content.mean])
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(both))))
    if sigma is not None:
        draw_relative_error(lowest, radial.centres, intensity, sigma)
    if view.window is not None:
        for each in panels:
            each.axvspan(*view.window, color=MARK, alpha=0.25, linewidth=0)
    kind = "brightest " if view.place is None else ""
    axes.set_title(f"Pattern of the {kind}{place_text(content.place)}{position_text(scan, content.place)}")
    lowest.set_xlabel(radial.label)
    half = step_of(radial.centres) / 2
    axes.set_xlim(radial.centres.min() - half, radial.centres.max() + half)
    axes.legend(loc="upper right", ncols=3)


def _bins(scan: StoredScan, view: View) -> NDArray[np.bool_] | None:
    if view.window is None:
        return None
    low, high = view.window
    centres = scan.patterns.radial.centres
    return (centres >= low) & (centres <= high)


def _of_window(scan: StoredScan, view: View) -> str:
    if view.window is None:
        return ""
    low, high = view.window
    return f", {low:g} to {high:g} {scan.patterns.radial.label.rpartition('(')[2].rstrip(')')}"


def _title(scan: StoredScan, view: View) -> str:
    total, done = len(scan.status), scan.count(FrameStatus.DONE)
    frames = f"{done} of {total} frames" if done < total else f"{total} frames"
    parts = [scan.path.name, scan.kind, frames]
    if view.layer is not None and scan.patterns.shape[0] > 1:
        z = scan.patterns.axes[0]
        at = f" (z {z.values[view.layer]:.4g} {z.units})" if z.units else ""
        parts.append(f"layer {view.layer} of 0…{z.values.size - 1}{at}")
    return "  ·  ".join([*parts, f"aureole {scan.facts['version']}"])
