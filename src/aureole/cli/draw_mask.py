"""Figure of a mask over the image that it was made for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aureole.cli import draw_frame as draw
from aureole.cli.figures import new_figure, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELLS = 600
"""Cells a side in which the mask is drawn: one is coloured by how much of it is masked."""
_SMALL = 12
"""Spots of so many pixels are too small to be seen, and marked."""
_MANY = 500
"""More spots than that become points."""
_COLOUR = "#34d3f2"


def plot_mask(
    path: Path,
    mask: NDArray[np.bool_],
    image: NDArray[np.float64] | None,
    *,
    name: str,
    overwrite: bool = False,
) -> None:
    """Draw a mask into a picture, in colour over the image; small spots are marked."""
    shape = (mask.shape[0], mask.shape[1])
    with new_figure(*draw.figure_size(shape)) as figure:
        shown = np.zeros(shape) if image is None else image
        axes = draw.draw_frame(figure, shown, np.isfinite(shown))
        circled = _lay_over(axes, mask)
        spots = f"  ·  {circled} small spots marked" if circled else ""
        subtitle = f"{int(mask.sum())} of {mask.size} pixels ({100 * mask.mean():.2f} %) are masked{spots}"
        draw.write_title(axes, plain(name), subtitle)
        save(figure, path, overwrite=overwrite)


def _lay_over(axes: Axes, mask: NDArray[np.bool_]) -> int:
    """Colour what is masked and mark what is small; return how many spots that are."""
    from matplotlib.colors import to_rgb
    from scipy.ndimage import find_objects, label

    rows, columns = mask.shape
    step = max(1, -(-max(rows, columns) // _CELLS))
    padded = np.zeros((-(-rows // step) * step, -(-columns // step) * step))
    padded[:rows, :columns] = mask
    part = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).mean((1, 3))
    colour = np.empty((*part.shape, 4))
    colour[..., :3] = to_rgb(_COLOUR)
    colour[..., 3] = 0.75 * part
    axes.imshow(
        colour,
        origin="lower",
        extent=(0.0, padded.shape[1], 0.0, padded.shape[0]),
        interpolation="nearest",
    )
    axes.set_xlim(0, columns)
    axes.set_ylim(0, rows)
    numbers, _ = label(mask, np.ones((3, 3), int))
    size = np.bincount(numbers.ravel())
    small = [
        (where[0].start + where[0].stop, where[1].start + where[1].stop)
        for number, where in enumerate(find_objects(numbers), 1)
        if size[number] <= _SMALL
    ]
    if small:
        middle = np.array(small) / 2.0
        width = 6.0 if len(small) <= _MANY else 1.8
        style: dict[str, Any] = {"color": _COLOUR, "fillstyle": "none", "linestyle": "none"}
        axes.plot(middle[:, 1], middle[:, 0], marker="o", markersize=width, **style)
    return len(small)
