"""Figure of a calibration of a moving detector: rings over some images, and residuals of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import degrees
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.pixels import usable_pixels
from aureole.cli import draw_frame as frames
from aureole.cli.draw_calibration import RIGHT, draw_fit, draw_means, residuals_in_pixels
from aureole.cli.figures import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aureole.calibration import Calibration
    from aureole.calibration.goniometer_calibration import GoniometerCalibration

    F64 = NDArray[np.float64]

_SPREAD = 3
"""Images that are drawn beside the one that fits worst: the first, the middle and the last with rings."""
_WIDE = 1.6
"""Images so many times wider than high stand in one column, others in two."""
_PANEL = 5.2
"""Width of an image with its axes and colours in inches."""
_LEAST = 0.01
"""Mean residuals (pixels) below are pale: they are noise."""


def chosen_images(result: GoniometerCalibration) -> list[int]:
    """Return which images to draw: some spread over those with rings, and the one that fits worst."""
    seen = [index for index, image in enumerate(result.images) if image is not None and image.rings]
    places = np.linspace(0, len(seen) - 1, min(_SPREAD, len(seen)))
    return sorted({*(seen[round(place)] for place in places), _worst(result)})


def figure_size(shape: tuple[int, int], count: int) -> tuple[float, float]:
    """Return width and height in inches that suit some images of a shape and the residuals beside them."""
    rows, columns = _rows_and_columns(shape, count)
    panel = (_PANEL - 1.5) * shape[0] / shape[1] + 1.1
    return columns * _PANEL + RIGHT, max(rows * min(panel, 1.6 * _PANEL), 8.5)


def draw_goniometer(
    figure: Figure,
    result: GoniometerCalibration,
    image: Callable[[int], NDArray[np.generic]],
    names: Sequence[str],
    *,
    mask: NDArray[np.generic] | None = None,
) -> None:
    """Draw some images with rings and points; beside them residuals by ring and image, image, and ring.

    Parameters
    ----------
    figure : Figure
    result : GoniometerCalibration
    image : callable
        From a number to that image, shape (n1, n2).
    names : sequence of str
        Of all images.
    mask : ndarray, shape (n1, n2), optional
        Not zero where pixels are invalid.
    """
    chosen = chosen_images(result)
    detector = result.goniometer.detector
    rows, columns = _rows_and_columns(detector.shape or (1, 1), len(chosen))
    left, right = figure.subfigures(1, 2, width_ratios=(columns * _PANEL, RIGHT), squeeze=False)[0]
    panels = left.subfigures(rows, columns, squeeze=False).ravel()
    for panel, index in zip(panels, chosen, strict=False):
        values, one = image(index), result.images[index]
        assert one is not None
        axes = frames.draw_frame(panel, values, usable_pixels(values, one.geometry.detector, mask))
        draw_fit(axes, one)
        frames.mark_beam_centre(axes, one.geometry)
        worst = ", fits worst" if index == _worst(result) and len(chosen) > 1 else ""
        frames.write_title(
            axes, f"{plain(names[index])} (image {index}{worst})", f"{_where(result, index)}  ·  {_how(one)}"
        )
    upper, middle, lower = right.subplots(3, 1, height_ratios=(1.5, 1.0, 1.0))
    _draw_map(right, upper, result)
    seen = [(x, one) for x, one in zip(_places(result), result.images, strict=True) if one is not None]
    seen = [(x, one) for x, one in seen if one.rings]
    draw_means(middle, [x for x, _ in seen], [residuals_in_pixels(one)[1] for _, one in seen])
    middle.set_xlabel(_place_label(result))
    middle.set_title("Mean of each image, its error, and the scatter of its points (thin)")
    _draw_rings(lower, [one for _, one in seen])


def _rows_and_columns(shape: tuple[int, int], count: int) -> tuple[int, int]:
    columns = 1 if shape[1] > _WIDE * shape[0] or count == 1 else 2
    return -(-count // columns), columns


def _worst(result: GoniometerCalibration) -> int:
    """Return the image whose points are farthest from their rings."""
    rest = [np.zeros(0) if one is None else residuals_in_pixels(one)[1] for one in result.images]
    return int(np.argmax([np.sqrt(np.mean(np.square(one))) if one.size else -1.0 for one in rest]))


def _places(result: GoniometerCalibration) -> list[float]:
    """Return where images stand on the axis: the position of the only motor, or their number."""
    views = result.fit.views
    return [float(view.position[0]) if len(view.position) == 1 else i for i, view in enumerate(views)]


def _place_label(result: GoniometerCalibration) -> str:
    motors = result.goniometer.motors
    return f"Motor {plain(motors[0])}" if len(motors) == 1 else "Image"


def _where(result: GoniometerCalibration, index: int) -> str:
    position = result.fit.views[index].position
    motors = zip(result.goniometer.motors, position, strict=True)
    return ", ".join(f"{plain(name)} {value:.5g}" for name, value in motors)


def _how(one: Calibration) -> str:
    rest = residuals_in_pixels(one)[1]
    return f"mean {rest.mean():+.3f}, rms {np.sqrt(np.mean(np.square(rest))):.3f} pixels"


def _draw_map(figure: Figure, axes: Axes, result: GoniometerCalibration) -> None:
    """Draw the mean residual of each ring on each image: what the model lacks makes slopes and waves."""
    x, two_theta, mean = [], [], []
    for place, one in zip(_places(result), result.images, strict=True):
        for ring in () if one is None else one.rings:
            x.append(place)
            two_theta.append(degrees(ring.two_theta))
            mean.append(ring.mean / ring.pixel)
    limit = max(float(np.quantile(np.abs(mean), 0.95)), _LEAST)
    picture = axes.scatter(
        x,
        two_theta,
        c=mean,
        s=float(np.clip(6000.0 / len(mean), 6.0, 36.0)),
        cmap="coolwarm",
        vmin=-limit,
        vmax=limit,
        edgecolors="#444444",
        linewidths=0.3,
    )
    axes.set_xlabel(_place_label(result))
    axes.set_ylabel("2θ (°)")
    seen = sum(one is not None and bool(one.rings) for one in result.images)
    axes.set_title(
        f"{result.calibrant.name} on {seen} of {len(result.images)} images: mean of each ring on each"
    )
    bar = figure.colorbar(picture, ax=axes, pad=0.015, aspect=30, extend="both")
    bar.set_label("2θ found − 2θ of the ring (pixels)")
    bar.outline.set_linewidth(0.6)


def _draw_rings(axes: Axes, images: Sequence[Calibration]) -> None:
    """Draw the mean residual of each ring over all images."""
    angle = {ring.index: degrees(ring.two_theta) for one in images for ring in one.rings}
    rest: dict[int, list[F64]] = {index: [] for index in sorted(angle)}
    for one in images:
        rings, values = residuals_in_pixels(one)
        for index in np.unique(rings):
            rest[int(index)].append(values[rings == index])
    draw_means(axes, [angle[index] for index in rest], [np.concatenate(parts) for parts in rest.values()])
    axes.set_xlabel("2θ (°)")
    axes.set_title("Mean of each ring, over all images")
