"""What figures of results choose by themselves: scales and labels."""

import numpy as np
import pytest

from aureole.cli.draw_pattern import draw_pattern, draw_relative_error
from aureole.cli.figures import new_figure

Q = np.linspace(0.05, 7.0, 1000)


@pytest.mark.parametrize(
    "percent", [(0.09, 0.34), (0.11, 0.19), (2.13, 2.17), (0.5, 3.0), (1.0, 28.0), (0.3, 60.0)]
)
def test_relative_errors_have_labels(percent):
    with new_figure(8.4, 7.4) as figure:
        axes = figure.subplots(3, 1)[1]
        draw_relative_error(axes, Q, np.full(1000, 50.0), 0.5 * np.geomspace(*percent, 1000))
        figure.draw_without_rendering()
        low, high = axes.get_ylim()
        texts = [label.get_text() for label in axes.get_yticklabels()]
        places = [float(text) for text in texts if text]
    inside = [place for place in places if low <= place <= high]
    assert 2 <= len(inside) <= 6


def rings(height):
    pattern = 1.0 + 3.0 * np.exp(-Q / 0.7)
    for place in np.arange(0.3, 7.0, 0.4):
        pattern += height * np.exp(-0.5 * ((Q - place) / 0.02) ** 2)
    return pattern


@pytest.mark.parametrize(
    ("pattern", "scale"),
    [
        (0.7 * np.exp(-np.square(3.0 * Q) / 3.0) + 0.01, "log"),
        (0.7 / (1.0 + (6.0 * Q) ** 4) + 0.01, "log"),
        (rings(0.0), "linear"),
        (rings(100.0), "linear"),
        (np.where(Q < 0.5, 0.01, 1.0), "linear"),
    ],
)
def test_what_falls_steeply_is_drawn_on_a_logarithmic_scale(pattern, scale):
    with new_figure(8.4, 7.4) as figure:
        axes = figure.subplots()
        draw_pattern(axes, Q, pattern, None, scale="auto")
        assert axes.get_yscale() == scale
