import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aureole.errors import SpecError
from aureole.mapping.positions import from_positions, scattered
from aureole.mapping.scan import Scan, ScanAxis, raster


def columns(scan: Scan, jitter: float = 0.0, seed: int = 0) -> list[np.ndarray]:
    """Return what encoders say of each frame of a complete scan; jitter as a fraction of the step."""
    rng = np.random.default_rng(seed)
    result = []
    for number, axis in enumerate(scan.axes):
        values = np.empty(scan.frames)
        values[scan.index] = np.moveaxis(
            np.broadcast_to(axis.values, [*np.delete(scan.index.shape, number), len(axis.values)]), -1, number
        )
        step = np.min(np.diff(axis.values)) if len(axis.values) > 1 else 0.0
        result.append(values + jitter * step * rng.uniform(-1, 1, scan.frames))
    return result


def named(*values: np.ndarray) -> list[ScanAxis]:
    names = ["z", "rotation", "translation"] if len(values) == 3 else ["y", "x"][-len(values) :]
    return [ScanAxis(name, found, "mm") for name, found in zip(names, values, strict=True)]


def grid(rows: int, columns: int, **order) -> Scan:
    axes = named(5.0 + 0.1 * np.arange(rows), -1.0 + 0.02 * np.arange(columns))
    return raster(axes, rows * columns, **order)


@given(
    st.lists(st.integers(2, 8), min_size=1, max_size=3),
    st.booleans(),
    st.integers(1, 2),
    st.sampled_from([0.0, 1e-6, 0.02, 0.15]),
    st.integers(0, 99),
)
def test_positions_of_any_raster_lead_back_to_it(shape, zigzag, passes, jitter, seed):
    steps = [0.7, 3.0, 0.02][-len(shape) :]
    axes = named(*(step * np.arange(float(n)) + 1 for step, n in zip(steps, shape, strict=True)))
    scan = raster(axes, int(np.prod(shape)), zigzag=zigzag, interlaced=passes)
    found = from_positions(named(*columns(scan, jitter, seed)))
    assert np.array_equal(found.index, scan.index)
    assert found.notes == ()
    for one, other, step in zip(found.axes, scan.axes, steps, strict=True):
        assert one.name == other.name
        assert np.allclose(one.values, other.values, atol=max(jitter, 1e-9) * step)
        if jitter == 0:
            assert np.array_equal(one.values, other.values)


@given(st.integers(3, 9), st.integers(3, 9), st.data())
def test_dropped_and_repeated_frames_are_reported_and_shift_nothing(rows, cols, data):
    scan = grid(rows, cols, zigzag=True)
    y, x = columns(scan, 0.05, 1)
    last = scan.frames - 1
    # corners stay, so that the grid keeps its ends
    corners = {int(scan.index[i, j]) for i in (0, -1) for j in (0, -1)}
    inside = st.integers(0, last).filter(lambda frame: frame not in corners)
    dropped = data.draw(st.sets(inside, max_size=max(scan.frames // 5, 1)))
    again = data.draw(st.lists(st.integers(0, last), max_size=3, unique=True))
    taken = [frame for frame in range(scan.frames) if frame not in dropped]
    taken += [frame for frame in again if frame not in dropped]
    found = from_positions(named(y[taken], x[taken]))
    assert found.index.shape == (rows, cols)
    where_from = np.array([*taken, -1])
    expected = np.where(np.isin(scan.index, list(dropped)), -1, scan.index)
    assert np.array_equal(where_from[found.index], expected)
    repeated = [taken.index(frame) for frame in again if frame not in dropped]
    assert sorted(found.repeated) == sorted(repeated)
    assert found.missing == len(dropped)
    text = f"{rows} rows x {cols} columns"
    text += f", {len(dropped)} missing" if dropped else ""
    text += f", {len(repeated)} repeated" if repeated else ""
    assert found.describe() == text


def test_the_last_of_repeated_frames_is_used_and_said():
    y, x = columns(grid(3, 4))
    found = from_positions(named(np.append(y, y[5]), np.append(x, x[5])))
    assert found.index[1, 1] == 12
    assert found.repeated == (5,)
    assert found.notes == ("1 frame repeated, the last is used: 5 by 12",)


def test_missing_places_are_named():
    y, x = columns(grid(3, 4))
    found = from_positions(named(np.delete(y, 6), np.delete(x, 6)))
    assert found.index.tolist() == [[0, 1, 2, 3], [4, 5, -1, 6], [7, 8, 9, 10]]
    assert found.notes == ("1 place without a frame: y 5.1, x -0.96",)


def test_a_lost_line_stays_empty():
    y, x = columns(grid(6, 5), 0.02)
    kept = np.abs(y - 5.2) > 0.05
    found = from_positions(named(y[kept], x[kept]))
    assert found.index.shape == (6, 5)
    assert (found.index[2] == -1).all()
    assert found.axes[0].values == pytest.approx(5 + 0.1 * np.arange(6), abs=0.01)
    assert found.notes[0].startswith("no frame was taken at y = 5.2")
    assert found.describe() == "6 rows x 5 columns, 5 missing"


def test_uneven_grids():
    angles = np.array([0.0, 1.0, 2.5, 4.5, 7.0, 7.7])
    scan = raster(named(angles, np.arange(7.0)), 42)
    found = from_positions(named(*columns(scan, 0.02)))
    assert np.array_equal(found.index, scan.index)
    # fine in the middle, without a line having been lost
    x = np.array([0.0, 1.0, 2.0, 2.1, 2.2, 2.3, 3.0, 4.0])
    scan = raster(named(np.arange(5.0), x), 40, zigzag=True)
    assert np.array_equal(from_positions(named(*columns(scan))).index, scan.index)


def test_backlash_and_encoder_counts():
    scan = grid(6, 20, zigzag=True)
    y, x = columns(scan, 0.05)
    backward = (np.arange(scan.frames) // 20) % 2 == 1
    x = np.round((x + np.where(backward, 0.005, 0.0)) / 5e-4) * 5e-4
    y = np.round(y / 1e-3) * 1e-3
    assert np.array_equal(from_positions(named(y, x)).index, scan.index)


def test_a_full_turn_has_two_ends():
    angles = np.arange(0.0, 361.0, 30.0)
    scan = raster(named(angles, np.arange(4.0)), 52)
    assert from_positions(named(*columns(scan))).index.shape == (13, 4)


def test_lines_with_repeats():
    x = np.repeat(np.arange(5.0), [1, 2, 1, 1, 2]) + 1e-3 * np.array([0, 0, 1, -1, 0, 0, 1])
    found = from_positions(named(x))
    assert found.index.tolist() == [0, 2, 3, 4, 6]
    assert found.repeated == (1, 5)


def test_rows_that_have_begun():
    y, x = columns(grid(4, 6))
    assert from_positions(named(y[:19], x[:19])).describe() == "4 rows x 6 columns, 5 missing"


def test_shape_settles_what_positions_leave_open():
    scan = grid(4, 4)
    y, x = columns(scan)
    few = [0, 3, 5, 8, 10, 14, 15]
    with pytest.raises(SpecError, match=r"7 frames are not on a grid.*4 of y, 4 of x.*--scattered"):
        from_positions(named(y[few], x[few]))
    found = from_positions(named(y[few], x[few]), shape=(4, 4))
    assert [few[frame] for frame in found.index[found.index >= 0]] == few
    with pytest.raises(SpecError, match="positions of x are at 4 places, the shape says 5"):
        from_positions(named(y, x), shape=(4, 5))
    with pytest.raises(SpecError, match="a shape of 3 numbers for positions of y, x"):
        from_positions(named(y, x), shape=(4, 4, 1))


def test_extra_frames_off_the_grid():
    scan = grid(4, 5, zigzag=True)
    y, x = columns(scan, 0.05)
    # two frames at a parking position before the scan, one between two columns after it
    y, x = np.concatenate([[0, 0], y, y[7:8]]), np.concatenate([[-50, -50], x, x[7:8] + 0.01])
    found = from_positions(named(y, x), shape=(4, 5))
    assert np.array_equal(found.index, scan.index + 2)
    assert found.unplaced == (0, 1, 22)
    assert found.notes == ("3 frames off the grid, not used: 0, 1, 22",)
    assert found.describe() == "4 rows x 5 columns, 3 not placed"
    with pytest.raises(
        SpecError, match=r"positions of y are at 4 or .* places, the shape says 3; leave it out"
    ):
        from_positions(named(y[2:22], x[2:22]), shape=(3, 5))


def test_tolerance_joins_what_is_near():
    x = np.array([0.0, 0.4, 1.0, 1.4, 2.0, 2.4])
    y = np.zeros(6) + np.array([0, 1, 0, 1, 0, 1])
    assert from_positions(named(y, x), tolerance={"x": 0.45}).index.shape == (2, 3)
    with pytest.raises(SpecError, match="x did not move by more than the tolerance, 5"):
        from_positions(named(y, x), tolerance={"x": 5})


def test_no_variation():
    with pytest.raises(SpecError, match="y did not move: it is 5 for all frames"):
        from_positions(named(np.full(4, 5.0), np.arange(4.0)))
    with pytest.raises(SpecError, match="y and x did not move"):
        scattered(*named(np.zeros(3), np.zeros(3)))
    with pytest.raises(SpecError, match="x did not move"):
        from_positions(named(np.zeros(1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("make", [from_positions, lambda columns: scattered(*columns)])
def test_frames_without_position(bad, make):
    y, x = columns(grid(3, 3))
    x[4] = bad
    with pytest.raises(SpecError, match=f"^frame 4 has no position: x is {bad}$"):
        make(named(y, x))


def test_absent_frames_may_lack_a_position():
    y, x = columns(grid(3, 3))
    x[4] = y[4] = np.nan
    found = from_positions(named(y, x), absent={4})
    assert found.index.tolist() == [[0, 1, 2], [3, -1, 5], [6, 7, 8]]
    assert found.unplaced == (4,)
    assert found.notes[0] == "1 frame without position: 4"
    points = scattered(*named(y, x), absent={4})
    assert points.index.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert points.points.shape == (8, 2)
    with pytest.raises(SpecError, match="no frame has a position"):
        from_positions(named(np.full(2, np.nan), np.zeros(2)), absent={0, 1})


def test_scattered_points():
    rng = np.random.default_rng(3)
    y, x = rng.uniform(size=(2, 50))
    with pytest.raises(SpecError, match="not on a grid"):
        from_positions(named(y, x))
    scan = scattered(*named(y, x))
    assert scan.describe() == "50 points"
    assert np.array_equal(scan.points, np.stack([y, x], axis=1))
    with pytest.raises(SpecError, match="y has 50, x has 49"):
        scattered(*named(y, x[1:]))
