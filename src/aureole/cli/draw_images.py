"""Images of maps and slices as panels with colour bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aureole.cli.figures import ACCENT, BAND, IMAGE_MAP, LINE, MASKED, contrast, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    from aureole.io.grids import GridAxis
    from aureole.io.scan_results import StoredImages, StoredScan

F64 = NDArray[np.float64]

_OTHER_MAP = "viridis"
"""For what is no intensity: positions, widths, fractions."""
MARK = "#35e0d0"
"""Around a place: a colour that is in no map in use."""
_CERTAIN, _SHARE = 3.0, 0.05
"""Positions are shown where the intensity is so many times its error, and such a share of the largest."""
_UNCERTAIN = 0.1
"""Fractions are shown where their error is below this."""
_WEAK = 0.1
"""Fractions are shown where the weights of all phases are such a share of the largest sum."""
GREY = (
    "Grey: no value; centres, positions and widths of weak peaks; "
    "fractions uncertain by more than 0.1, or of little in all"
)
"""What is not shown in images."""
_QUIET = ("status", "background", "mean", "fwhm", "chi2")
"""Quantities that an overview leaves out."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One image.

    Attributes
    ----------
    title : str
    values : ndarray
        Of the shape of the axes; NaN is drawn grey.
    axes : tuple of GridAxis
        Slow to fast: one or two.
    label : str
        Of the colour bar.
    intensity : bool
        Whether it is one, or a position, width, fraction.
    equal : bool
        Whether a step is as long upwards as sideways.
    errors : ndarray, optional
        Of the values, drawn along lines.
    points : ndarray, shape (n, 2), optional
        Places (y, x) of scattered points, instead of the axes.
    mark : tuple of int, optional
        A place to be marked.
    """

    title: str
    values: F64
    axes: tuple[GridAxis, ...]
    label: str = "Intensity"
    intensity: bool = True
    equal: bool = True
    errors: F64 | None = None
    points: F64 | None = None
    mark: tuple[int, ...] | None = None


def aspect(panel: Panel) -> float:
    """Return how high a panel is for its width."""
    if panel.points is None and len(panel.axes) == 1:
        return 0.75
    if panel.points is None:
        places = [axis.values for axis in panel.axes]
    else:
        places = list(panel.points[np.isfinite(panel.points).all(1)].T)
    high, wide = (float(np.ptp(each)) + step_of(np.unique(each)) for each in places)
    return min(2.0, max(0.2, high / wide))


def image_panels(scan: StoredScan, layer: int | None, *, telling: bool) -> list[Panel]:
    """Return the images of a scan, of one layer; only those that tell most if that is wanted; phases first.

    Values that are noise are left out: positions, widths and centres where the intensity is less than three
    times its error or than a twentieth of the largest, and fractions with errors above 0.1 or where the
    weights of all phases are less than a tenth of the largest sum.

    Raises
    ------
    FormatError
        They cannot be read.
    """
    symbol = scan.patterns.radial.label.rpartition("(")[2].rstrip(")")
    axes = scan.patterns.axes if layer is None else scan.patterns.axes[1:]
    panels = []
    for name, group in sorted(scan.images.items(), key=lambda item: item[0] != "phases"):
        strong = _strong(*group.read(group.quantities[0], layer))
        enough = _enough(group, layer)
        for quantity in group.quantities:
            if telling and (quantity in _QUIET or quantity.endswith("_weight")):
                continue
            values, errors = group.read(quantity, layer)
            radial = quantity in ("position", "centre", "fwhm")
            if radial:
                values = np.where(strong, values, np.nan)
            elif quantity.endswith("_fraction") and errors is not None:
                values = np.where((errors < _UNCERTAIN) & enough, values, np.nan)
            panels.append(
                Panel(
                    _panel_title(name, quantity),
                    values,
                    axes,
                    label=symbol if radial else _label(quantity),
                    intensity=not radial and _label(quantity) == "",
                    errors=errors,
                    points=scan.points,
                )
            )
    return panels


def _strong(values: F64, errors: F64 | None) -> NDArray[np.bool_]:
    """Return where an intensity is no noise."""
    _, high = contrast(values, 0.0, 99.7)
    strong: NDArray[np.bool_] = values > _SHARE * high
    return strong if errors is None else strong & (values > _CERTAIN * errors)


def _enough(group: StoredImages, layer: int | None) -> NDArray[np.bool_] | bool:
    """Return where the weights of phases are so much in all that fractions of it mean something."""
    weights = [group.read(name, layer)[0] for name in group.quantities if name.endswith("_weight")]
    if not weights:
        return True
    total = np.nansum(weights, axis=0)
    _, high = contrast(total, 0.0, 99.7)
    return np.asarray(total > _WEAK * high)


def _panel_title(name: str, quantity: str) -> str:
    return quantity.replace("_", " ") if name == "phases" else f"{name} {quantity}"


def _label(quantity: str) -> str:
    """Return the label of what is neither intensity nor radial position; empty for intensities."""
    if quantity.endswith("_fraction"):
        return "fraction"
    return {"status": "0 good", "chi2": "χ²"}.get(quantity, "")


def draw_panel(
    figure: FigureBase, axes: Axes, panel: Panel, *, small: bool = False, logarithmic: bool = False
) -> None:
    """Draw an image, or a line where the places are on one, with a colour bar and units."""
    axes.set_title(plain(panel.title), fontsize=9.5 if small else 10.5)
    if panel.points is None and len(panel.axes) == 1:
        _line(axes, panel, logarithmic=logarithmic)
        return
    import matplotlib as mpl
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import MaxNLocator

    colours = mpl.colormaps[IMAGE_MAP if panel.intensity else _OTHER_MAP].with_extremes(bad=MASKED)
    low, high = contrast(panel.values, 1.0, 99.7)
    norm = Normalize(low, high)
    if logarithmic:
        low, high = contrast(np.where(panel.values > 0.0, panel.values, np.nan), 1.0, 99.7)
        norm = LogNorm(max(low, 1e-4 * high), high) if high > 0.0 else norm
    axes.spines[["top", "right"]].set_visible(True)
    if panel.points is not None:
        y, x = panel.points.T
        size = min(120.0, 9e3 / max(1, len(x)) * (0.3 if small else 2.0))
        picture: Any = axes.scatter(x, y, s=size, c=panel.values, cmap=colours, norm=norm, plotnonfinite=True)
        names = ("y", "x")
    else:
        upward, sideways = panel.axes
        picture = axes.pcolormesh(
            _edges(sideways.values),
            _edges(upward.values),
            np.ma.masked_invalid(panel.values),
            cmap=colours,
            norm=norm,
            rasterized=True,
        )
        names = (_axis_label(upward), _axis_label(sideways))
    _mark(axes, panel)
    axes.set_ylabel(names[0])
    axes.set_xlabel(names[1])
    if panel.equal:
        axes.set_aspect("equal")
    width = 0.06 if small else 0.035
    bar: Any = figure.colorbar(picture, cax=axes.inset_axes((1.04, 0.0, width, 1.0)), extend="neither")
    bar.outline.set_linewidth(0.6)
    bar.ax.yaxis.get_offset_text().set_fontsize(7.5)
    if not logarithmic:
        bar.locator = MaxNLocator(5 if small else 8)
        bar.formatter.set_powerlimits((-3, 4))
        bar.formatter.set_useOffset(False)
        bar.update_ticks()
    if panel.label:
        bar.set_label(panel.label)
    if small:
        axes.tick_params(labelsize=7.5)
        bar.ax.tick_params(labelsize=7.5)
        bar.ax.yaxis.label.set_fontsize(8)


def _line(axes: Axes, panel: Panel, *, logarithmic: bool) -> None:
    (along,) = panel.axes
    if panel.errors is not None:
        low, high = panel.values - panel.errors, panel.values + panel.errors
        axes.fill_between(along.values, low, high, color=BAND, alpha=0.55, linewidth=0)
    axes.plot(along.values, panel.values, ".-", color=LINE, linewidth=0.9, markersize=3)
    axes.ticklabel_format(axis="y", useOffset=False)
    if logarithmic:
        axes.set_yscale("log", nonpositive="mask")
    if panel.mark is not None:
        axes.axvline(along.values[panel.mark[0]], color=ACCENT, linewidth=0.9)
    axes.set_xlim(along.values.min(), along.values.max())
    axes.set_xlabel(_axis_label(along))
    axes.set_ylabel(panel.label)
    axes.grid(color="#e6e6e6", linewidth=0.6)


def _mark(axes: Axes, panel: Panel) -> None:
    if panel.mark is None:
        return
    if panel.points is not None:
        y, x = panel.points[panel.mark[0]]
    else:
        y, x = (axis.values[index] for axis, index in zip(panel.axes, panel.mark, strict=True))
    axes.plot([x], [y], "o", color="none", markeredgecolor=MARK, markersize=9, markeredgewidth=1.4)


def _edges(values: F64) -> F64:
    """Return the limits between places, and of the first and the last."""
    if values.size == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    middles = 0.5 * (values[1:] + values[:-1])
    return np.concatenate([[2.0 * values[0] - middles[0]], middles, [2.0 * values[-1] - middles[-1]]])


def step_of(values: F64) -> float:
    """Return the usual distance of places or bins; 1 where there is but one."""
    return float(np.median(np.abs(np.diff(values)))) if values.size > 1 else 1.0


def _axis_label(axis: GridAxis) -> str:
    units = {"deg": "°", "um": "µm"}.get(axis.units, axis.units)
    return f"{axis.name} ({units})" if units else axis.name
