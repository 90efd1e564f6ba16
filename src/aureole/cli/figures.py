"""How figures look, and how they are saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aureole.errors import OutputError, SpecError
from aureole.io.names import shown
from aureole.io.publish import publication

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")

LINE = "#17375e"
BAND = "#6f9fd8"
ACCENT = "#e4572e"
MASKED = "#9aa5b1"
"""For pixels and rows that have no value: no colour of the maps in use comes near it."""
IMAGE_MAP = "inferno"

_STYLE: dict[Any, Any] = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.edgecolor": "#444444",
    "axes.labelcolor": "#222222",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.1,
    "svg.hashsalt": "aureole",
}


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of a size in inches, in the style of the house; no window is ever opened."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    # From the defaults, whatever the user's matplotlibrc says.
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield Figure(figsize=(width, height))


def check_picture(path: Path) -> None:
    """Raise `SpecError` where the ending is none of a picture that can be written."""
    if path.suffix.lower() not in FORMATS:
        raise SpecError(f"{path}: a picture ends in {', '.join(FORMATS)}")


def save(figure: Figure, path: Path, *, overwrite: bool) -> None:
    """Write a figure, whole or not at all."""
    check_picture(path)
    with publication(path, overwrite=overwrite) as temporary:
        try:
            figure.savefig(temporary, format=path.suffix.lower()[1:])
        except ValueError as error:
            raise OutputError(f"{path}: cannot be drawn ({error})") from None


def plain(text: str) -> str:
    """Return text as it is to be shown, where a dollar sign would begin a formula."""
    return shown(text).replace("$", r"\$")


def contrast(values: NDArray[np.floating[Any]], low: float, high: float) -> tuple[float, float]:
    """Return two percentiles of the finite values, apart from each other; 0 and 1 where there are none."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    bottom, top = (float(value) for value in np.percentile(finite, (low, high)))
    return (bottom, top) if top > bottom else (bottom - 0.5, bottom + 0.5)


def round_ticks(low: float, high: float) -> list[float]:
    """Return 0 and ±1, 2, 5 times powers of ten between two limits, as far as they can be told apart."""
    steps = np.outer(10.0 ** np.arange(-9, 16), (1.0, 2.0, 5.0)).ravel()
    marks = np.concatenate([-steps[::-1], [0.0], steps])
    inside = marks[(marks >= low) & (marks <= high)]
    least = 0.012 * max(abs(low), abs(high))
    return [float(mark) for mark in inside if mark == 0.0 or abs(mark) >= least]


def number(value: float) -> str:
    """Return a number as a label: "20 000", "0.5"."""
    return f"{value:,.0f}".replace(",", "\N{THIN SPACE}") if abs(value) >= 1000 else f"{value:g}"
