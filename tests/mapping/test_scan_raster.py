import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aureole.errors import SpecError
from aureole.mapping.scan import ScanAxis, raster


def axes(**lengths: int) -> list[ScanAxis]:
    return [ScanAxis(name, np.arange(float(length))) for name, length in lengths.items()]


def test_translation_first_is_c_order():
    scan = raster(axes(rotation=2, translation=3), 6)
    assert scan.index.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert scan.index.dtype == np.intp
    assert scan.notes == ()
    assert scan.describe() == "2 rotations x 3 translations"


def test_rotation_first():
    scan = raster(axes(rotation=2, translation=3), 6, fast="rotation")
    assert scan.index.tolist() == [[0, 2, 4], [1, 3, 5]]


def test_zigzag_runs_through_layers():
    scan = raster(axes(z=2, rotation=3, translation=2), 12, zigzag=True)
    assert scan.index.tolist() == [[[0, 1], [3, 2], [4, 5]], [[7, 6], [8, 9], [11, 10]]]


def test_interlaced_angles():
    scan = raster(axes(rotation=5, translation=2), 10, interlaced=2)
    assert scan.index[:, 0].tolist() == [0, 6, 2, 8, 4]
    scan = raster(axes(rotation=5, translation=2), 10, interlaced=2, fast="rotation")
    assert scan.index.T.tolist() == [[0, 3, 1, 4, 2], [5, 8, 6, 9, 7]]


def test_interlaced_zigzag_counts_lines_in_time():
    scan = raster(axes(y=3, x=2), 6, interlaced=2, zigzag=True)
    # rows 0, 2, 1 in time; the second one in time runs backwards
    assert scan.index.tolist() == [[0, 1], [4, 5], [3, 2]]


def test_a_line():
    assert raster(axes(x=4), 4, zigzag=True).index.tolist() == [0, 1, 2, 3]
    assert raster(axes(x=4), 4, interlaced=2).index.tolist() == [0, 2, 1, 3]


def test_fewer_frames_only_where_the_scan_is_unfinished():
    with pytest.raises(SpecError, match=r"^5 frames for 2 x 3 = 6 places: .*positions.*--partial"):
        raster(axes(y=2, x=3), 5)
    scan = raster(axes(y=2, x=3), 5, zigzag=True, partial=True)
    assert scan.index.tolist() == [[0, 1, 2], [-1, 4, 3]]
    assert scan.describe() == "2 rows x 3 columns, 1 missing"
    assert scan.notes == ("the scan is unfinished: 5 frames for 2 x 3 = 6 places, without the last 1",)


@pytest.mark.parametrize("partial", [False, True])
def test_more_frames_are_refused(partial):
    with pytest.raises(SpecError, match=r"^7 frames for 2 x 3 = 6 places: which are too many"):
        raster(axes(y=2, x=3), 7, partial=partial)


def test_frames_before_the_scan():
    scan = raster(axes(y=2, x=3), 8, start=2)
    assert scan.index.tolist() == [[2, 3, 4], [5, 6, 7]]
    assert scan.unplaced == (0, 1)
    assert scan.describe() == "2 rows x 3 columns, 2 not placed"
    with pytest.raises(SpecError, match="starts at frame 8 of 8"):
        raster(axes(y=2, x=3), 8, start=8)


@pytest.mark.parametrize(
    ("wrong", "options", "message"),
    [
        ({"y": 2, "x": 0}, {}, "the axis x has no places"),
        ({}, {}, "one or more axes"),
        ({"y": 2, "x": 3}, {"fast": "z"}, "no axis 'z'.*there are y, x"),
        ({"y": 2, "x": 3}, {"interlaced": 0}, "0 passes through 2 places of y"),
        ({"y": 2, "x": 3}, {"interlaced": 3}, "3 passes through 2 places of y"),
        ({"y": 100_000, "x": 100_000}, {"partial": True}, "a scan of 100000 x 100000 places"),
    ],
)
def test_bad_requests(wrong, options, message):
    with pytest.raises(SpecError, match=message):
        raster(axes(**wrong), 6, **options)


def test_positions_that_are_none():
    with pytest.raises(SpecError, match="place 1 of x is at nan"):
        raster([ScanAxis("x", np.array([0.0, np.nan]))], 2)


@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=3),
    st.data(),
    st.booleans(),
)
def test_every_frame_has_one_place_and_lines_are_steady(shape, data, zigzag):
    names = ["z", "rotation", "translation"][-len(shape) :]
    fast = data.draw(st.sampled_from(names))
    passes = data.draw(st.integers(1, shape[names.index("rotation")] if "rotation" in names else shape[-1]))
    count = int(np.prod(shape))
    scan = raster(
        axes(**dict(zip(names, shape, strict=True))), count, fast=fast, zigzag=zigzag, interlaced=passes
    )
    assert scan.index.shape == tuple(shape)
    assert sorted(scan.index.ravel()) == list(range(count))
    # between neighbours in time along a line nothing but the fast axis moves
    where = np.empty((count, len(shape)), int)
    where[scan.index.ravel()] = np.argwhere(scan.index >= 0)
    quick = names.index(fast)
    lines = where.reshape(-1, shape[quick], len(shape))
    others = np.delete(lines, quick, axis=2)
    assert (others == others[:, :1]).all()
    forward = lines[::2, :, quick]
    assert (forward == forward[0]).all()
    backward = lines[1::2, :, quick]
    assert (backward == (forward[0][::-1] if zigzag else forward[0])).all()
