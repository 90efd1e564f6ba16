"""Pictures of pair distribution functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aureole.cli.figures import BAND, IMAGE_MAP, LINE, MASKED, contrast, new_figure, plain, save
from aureole.errors import FormatError
from aureole.io.pdf_results import StoredPDF

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aureole.pdf import PDF, Stages

F64 = NDArray[np.float64]

_BAND = 3.0
_DISTANCE = "Distance $r$ (Å)"
_G = "$G(r)$ (Å$^{-2}$)"


def draw_pdf(stages: Stages, found: PDF, path: Path, *, title: str, overwrite: bool) -> None:
    """Draw I(q), S(q), F(q) and G(r) of one pattern, with bands of errors.

    Raises
    ------
    OutputError
        The picture cannot be written.
    """
    with new_figure(8.0, 9.0) as figure:
        figure.suptitle(plain(title), fontsize=10.5)
        rows = figure.subplots(4, 1)
        for axes, values, sigma, label in (
            (rows[0], stages.i, stages.i_sigma, "$I(q)$ less background"),
            (rows[1], stages.s, stages.s_sigma, "$S(q)$"),
            (rows[2], stages.f, stages.f_sigma, r"$F(q)$ (Å$^{-1}$)"),
        ):
            _curve(axes, stages.q, values, sigma, label)
            axes.set_xlabel(r"Scattering vector $q$ (Å$^{-1}$)")
        _curve(rows[3], found.r, found.g, found.sigma, _G)
        rows[3].set_xlabel(_DISTANCE)
        save(figure, path, overwrite=overwrite)


def draw_volume(source: Path, path: Path, *, overwrite: bool) -> None:
    """Draw G(r) of the place with the largest scale factor that is common, and the scale of all places.

    Raises
    ------
    FormatError
        The file cannot be read, or has no G(r) at any place.
    OutputError
        The picture cannot be written.
    """
    with StoredPDF(source) as stored:
        scale = stored.images["scale"]
        if not np.isfinite(scale).any():
            raise FormatError(f"{source}: has no G(r) at any place")
        place = brightest(scale)
        g, sigma = stored.read(place)
        r, names = stored.r, [axis.name for axis in stored.axes]
    with new_figure(8.0, 7.0) as figure:
        top, bottom = figure.subplots(2, 1)
        _curve(top, r, g, sigma, _G)
        top.set_xlabel(_DISTANCE)
        where = ", ".join(f"{name} {index}" for name, index in zip(names, place, strict=True))
        top.set_title(f"{plain(source.name)}: {where}")
        _image(figure, bottom, 1.0 / scale, place, names)
        save(figure, path, overwrite=overwrite)


def brightest(scale: F64) -> tuple[int, ...]:
    """Return the place whose scale is the smallest: where there is most of the sample."""
    return tuple(int(index) for index in np.unravel_index(int(np.nanargmin(scale)), scale.shape))


def _curve(axes: Axes, x: F64, values: F64, sigma: F64 | None, label: str) -> None:
    if sigma is not None:
        low, high = values - _BAND * sigma, values + _BAND * sigma
        axes.fill_between(x, low, high, color=BAND, alpha=0.55, linewidth=0, label=f"± {_BAND:g} σ")
        axes.legend(loc="upper right")
    axes.plot(x, values, color=LINE, linewidth=0.9)
    axes.set_ylabel(label)
    axes.set_xlim(float(x[0]), float(x[-1]))
    axes.grid(color="#e6e6e6", linewidth=0.6)


def _image(figure: Figure, axes: Axes, amount: F64, place: tuple[int, ...], names: list[str]) -> None:
    """Draw how much of the sample there is: 1/scale, of the layer of a place."""
    if amount.ndim == 1:
        _curve(axes, np.arange(float(len(amount))), amount, None, "1 / scale")
        axes.set_xlabel(names[0])
        return
    layer = amount[place[0]] if amount.ndim == 3 else amount
    low, high = contrast(layer, 1.0, 99.0)
    axes.set_facecolor(MASKED)
    shown = axes.imshow(layer, cmap=IMAGE_MAP, vmin=low, vmax=high, origin="lower")
    figure.colorbar(shown, ax=axes, label="1 / scale")
    axes.set_xlabel(names[-1])
    axes.set_ylabel(names[-2])
