import math
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aureole.axis import EPS32, Axis
from aureole.errors import SpecError


def test_data_range():
    lo, hi = Axis("q_nm^-1", 100).resolve(0.25, 8.0)
    assert (lo, hi) == (0.25, 8.0 * (1.0 + EPS32))


def test_given_range_wins_and_gets_the_same_margin():
    assert Axis("q_nm^-1", 100, (0, 10)).resolve(3.0, 4.0) == (0.0, 10.0 * (1.0 + EPS32))
    assert Axis("chi_deg", 90, (-90, 0)).resolve(3.0, 4.0) == (-90.0, 0.0)
    lo, hi = Axis("chi_deg", 90, (-90, -10)).resolve(0.0, 0.0)
    assert lo == -90.0
    assert hi == pytest.approx(-10.0 * (1.0 - EPS32), abs=1e-12)
    assert hi > -10.0


def test_boxes_around_pixels_do_not_reach_below_zero():
    assert Axis("2th_deg", 10).resolve(-0.01, 5.0)[0] == 0.0
    assert Axis("chi_deg", 10).resolve(-0.01, 5.0)[0] == -0.01
    assert Axis("log(q.nm)_None", 10).resolve(-7.0, -5.0)[0] == -7.0


@given(
    bins=st.integers(1, 3000),
    lo=st.floats(0.0, 100.0),
    width=st.floats(1e-3, 100.0),
)
def test_bins_tile_the_range(bins, lo, width):
    axis = Axis("q_nm^-1", bins)
    low, high = axis.resolve(lo, lo + width)
    edges, centres = axis.edges(low, high), axis.centres(low, high)
    assert edges.size == bins + 1
    assert edges[0] == low
    assert edges[-1] == pytest.approx(high, rel=1e-14)
    assert np.all(np.diff(edges) > 0)
    np.testing.assert_allclose(centres, 0.5 * (edges[1:] + edges[:-1]), rtol=1e-12)
    # the highest value lies inside a bin
    assert math.floor((lo + width - low) * (bins / (high - low))) < bins


def test_axes_are_values():
    axis = Axis("q_nm^-1", np.int64(7), [1, 2])
    assert axis == Axis("q_nm^-1", 7, (1.0, 2.0))
    assert hash(axis) == hash(Axis("q_nm^-1", 7, (1.0, 2.0)))
    assert type(axis.bins) is int
    assert pickle.loads(pickle.dumps(axis)) == axis


def test_an_axis_may_only_restrict():
    axis = Axis("chi_deg", range=(-30, 30))
    assert axis.bins is None
    with pytest.raises(SpecError, match="has no bins"):
        axis.edges(-30, 30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense", 10), "unknown unit"),
        (("q_nm^-1", 0), "at least one bin"),
        (("q_nm^-1", -3), "at least one bin"),
        (("q_nm^-1", 2.5), "whole number"),
        (("q_nm^-1", True), "whole number"),
        (("q_nm^-1", 10, (2, 2)), "range is empty"),
        (("q_nm^-1", 10, (3, 2)), "range is empty"),
        (("q_nm^-1", 10, (0, float("nan"))), "must be finite"),
        (("q_nm^-1", 10, (0, float("inf"))), "must be finite"),
        (("qx_nm^-1", 10, (-1e308, 1e308)), "no range for bins"),
        (("q_nm^-1", 10, (0, sys.float_info.max)), "no range for bins"),
        (("q_nm^-1", 10, (0, 1e-320)), "no range for bins"),
        (("q_nm^-1", 10, (0, 1, 2)), "two numbers"),
        (("q_nm^-1", 10, "ab"), "two numbers"),
        (("q_nm^-1", 10, 5), "two numbers"),
        (("q_nm^-1", 10, (-2, -1)), "cannot be negative"),
        (("chi_deg", 10, (-200, 200)), "more than one turn"),
        (("q_nm^-1",), "neither bins nor a range"),
    ],
)
def test_impossible_axes(arguments, message):
    with pytest.raises(SpecError, match=message):
        Axis(*arguments)


def test_data_without_extent():
    with pytest.raises(SpecError, match="give a finite range"):
        Axis("d_A", 10).resolve(1.0, math.inf)
    with pytest.raises(SpecError, match="no extent"):
        Axis("q_nm^-1", 10).resolve(0.0, 0.0)
