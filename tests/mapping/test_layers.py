"""Rows of frames in, layers out: each once, whole, in whatever order the rows come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aureole.io.made_by import MadeBy
from aureole.mapping.layers import Layers
from aureole.mapping.scan import Scan, ScanAxis, raster
from aureole.runs.parts import Rows

BINS = 3


def grid(frames, **options):
    lengths = {"z": 3, "rotation": 2, "translation": 4}
    axes = [ScanAxis(name, np.arange(float(length))) for name, length in lengths.items()]
    return raster(axes, frames, **options)


def rows_of(frames: range) -> Rows:
    """Return rows whose every value is the number of the frame; sigma is a half more."""
    values = np.repeat(np.array(frames, np.float32)[:, None], BINS, axis=1)
    made_by = MadeBy.nobody(len(frames))
    return Rows(frames, values, np.zeros(len(frames), np.uint8), made_by, values + 0.5)


def all_layers(layers, parts):
    found = list(layers.empty())
    for frames in parts:
        found += layers.put(rows_of(frames))
    return found


@given(st.randoms(use_true_random=False), st.integers(1, 9), st.booleans())
def test_parts_in_any_order_give_each_layer_once(random, size, zigzag):
    scan = grid(24, zigzag=zigzag)
    parts = [range(first, min(first + size, 24)) for first in range(0, 24, size)]
    random.shuffle(parts)
    found = all_layers(Layers(scan, BINS, sigma=True), parts)
    assert sorted(layer for layer, _, _ in found) == [0, 1, 2]
    for layer, intensity, sigma in found:
        assert intensity.shape == sigma.shape == (2, 4, BINS)
        np.testing.assert_array_equal(intensity[..., 0], scan.index[layer])
        np.testing.assert_array_equal(sigma, intensity + np.float32(0.5))


def test_a_layer_comes_with_the_last_of_its_rows():
    layers = Layers(grid(24), BINS, sigma=False)
    assert list(layers.put(rows_of(range(7)))) == []
    ((layer, intensity, sigma),) = layers.put(rows_of(range(7, 15)))
    assert (layer, sigma) == (0, None)
    assert np.isfinite(intensity).all()
    assert [layer for layer, _, _ in layers.put(rows_of(range(15, 24)))] == [1, 2]


def test_places_without_frames_are_nan():
    found = all_layers(Layers(grid(10, partial=True), BINS, sigma=True), [range(10)])
    assert sorted(layer for layer, _, _ in found) == [0, 1, 2]
    layers = {layer: intensity for layer, intensity, _ in found}
    assert np.isfinite(layers[0]).all()
    np.testing.assert_array_equal(np.isfinite(layers[1][..., 0]), [[1, 1, 0, 0], [0, 0, 0, 0]])
    assert np.isnan(layers[2]).all()


def test_frames_without_a_place_are_passed_over():
    axis = ScanAxis("x", np.arange(3.0))
    scan = Scan((axis,), np.array([4, 0, 2]), 5)
    ((layer, intensity, _),) = all_layers(Layers(scan, BINS, sigma=True), [range(2), range(2, 5)])
    assert layer == 0
    assert intensity[:, 0].tolist() == [4, 0, 2]


@pytest.mark.parametrize("name", ["z", "point"])
def test_what_is_not_layered_is_one_layer(name):
    scan = Scan((ScanAxis(name, np.arange(4.0)),), np.arange(4), 4)
    layers = Layers(scan, BINS, sigma=True)
    assert (layers.count, layers.shape) == (1, (4,))
