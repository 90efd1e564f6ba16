"""The native splitting kernel against its slow twin, and what splitting has to conserve."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aureole import _core
from aureole.kernels import isas
from aureole.kernels.reference_split import Binned, Pixels, split

MODES = ("no", "bbox", "pseudo", "full")
AXES = ("radial", "azimuthal", "both")
TURN = 2.0 * np.pi


def fields_on(shape, beam, *, pixel=(1.0, 1.0), skew=0.1):
    """Polar coordinates of a small detector whose beam stands at `beam` (in pixels, slow and fast)."""

    def polar(rows, columns):
        y = (rows - beam[0])[:, None] * pixel[0] + skew * (columns - beam[1])[None, :]
        x = np.broadcast_to((columns - beam[1])[None, :] * pixel[1], y.shape)
        return np.hypot(x, y), np.arctan2(y, x)

    rows, columns = np.arange(shape[0] + 1.0), np.arange(shape[1] + 1.0)
    r, chi = polar(rows[:-1] + 0.5, columns[:-1] + 0.5)
    return r, chi, *polar(rows, columns)


def cut(mode, which, fields, radial, azimuthal, *, mask=None, radius=True):
    """Return the native entries and the reference's, for the axes that `which` names."""
    r, chi, r_vertex, chi_vertex = fields
    has_radial, has_azimuthal = which != "azimuthal", which != "radial"
    centred = mode in ("no", "bbox")
    mask = np.zeros(r.shape, bool) if mask is None else mask
    pixels = Pixels(
        mask=mask,
        radial_centre=r if centred and has_radial else None,
        radial_vertex=None if mode == "no" else r_vertex,
        azimuthal_centre=chi if centred and has_azimuthal else None,
        azimuthal_vertex=chi_vertex
        if mode in ("pseudo", "full") or (mode == "bbox" and has_azimuthal)
        else None,
        period=TURN,
        radius=radius,
    )
    axes = radial if has_radial else None, azimuthal if has_azimuthal else None
    return native(mode, pixels, *axes), split(mode, pixels, *axes)


def native(mode, pixels, radial, azimuthal, *, rows=slice(None), threads=1, isa=""):
    def part(values, more=0):
        if values is None:
            return None
        start, stop, _ = rows.indices(pixels.mask.shape[0])
        return np.ascontiguousarray(values[start : stop + more])

    mask = part(pixels.mask).view(np.uint8)
    given = _core.Pixels(
        mask.shape,
        _core.Coordinate(None, part(pixels.radial_centre), part(pixels.radial_vertex, 1)),
        _core.Coordinate(None, part(pixels.azimuthal_centre), part(pixels.azimuthal_vertex, 1)),
        mask,
        None,
        pixels.period,
        pixels.radius,
    )
    axes = [
        None if axis is None else _core.SplitAxis(axis.lo, axis.hi, axis.bins, axis.period, axis.lowest)
        for axis in (radial, azimuthal)
    ]
    return _core.split(MODES.index(mode), given, *axes, threads, isa)


def dense(entries, n_bins):
    ptr, bins, coefs = entries
    table = np.zeros((ptr.size - 1, n_bins))
    pixel = np.repeat(np.arange(ptr.size - 1), np.diff(ptr))
    np.add.at(table, (pixel, bins), coefs)
    return table


def assert_equal_shares(found, wanted, n_bins):
    """The native shares are rounded once, to float32; the rest is float64."""
    ptr, bins, coefs = found
    assert ptr.dtype == np.int64
    assert bins.dtype == np.int32
    assert coefs.dtype == np.float32
    assert ptr[0] == 0
    assert ptr[-1] == bins.size == coefs.size
    assert np.all((bins >= 0) & (bins < n_bins))
    inside = np.ones(bins.size, bool)
    inside[ptr[:-1][ptr[:-1] < bins.size]] = False
    assert np.all(np.diff(bins)[inside[1:]] > 0), "the bins of a pixel rise"
    assert np.all(coefs > 0.0)
    a, b = dense(found, n_bins), dense(wanted, n_bins)
    np.testing.assert_allclose(a, b, rtol=6.1e-8, atol=2e-12)


RADIAL = Binned(0.0, 40.0, 23, lowest=0.0)
WHOLE = Binned(-np.pi, np.pi * (1 + 2**-23), 7, TURN)
BEAMS = [(-3.0, 20.0), (4.3, 6.6), (5.0, 7.0), (5.0, 7.5), (5.5, 7.5), (5.5, 7.0), (9.2, -4.0)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", AXES)
@pytest.mark.parametrize("beam", BEAMS)
def test_the_kernel_is_its_twin(mode, which, beam):
    fields = fields_on((11, 14), beam)
    found, wanted = cut(mode, which, fields, RADIAL, WHOLE)
    assert_equal_shares(found, wanted, {"radial": 23, "azimuthal": 7, "both": 161}[which])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", AXES)
@pytest.mark.parametrize("beam", BEAMS)
def test_a_pixel_inside_the_range_is_shared_out_entirely(mode, which, beam):
    fields = fields_on((11, 14), beam)
    found, _ = cut(mode, which, fields, RADIAL, WHOLE)
    total = dense(found, 161).sum(axis=1)
    np.testing.assert_allclose(total, 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("start", [-np.pi, 0.0, 2.5, -400 / 57.3])
def test_an_azimuthal_window_may_lie_anywhere(mode, start):
    fields = fields_on((11, 14), (4.3, 6.6))
    window = Binned(start, start + 1.7, 3, TURN)
    found, wanted = cut(mode, "both", fields, RADIAL, window)
    assert found[1].size > 0
    assert_equal_shares(found, wanted, 69)


@pytest.mark.parametrize("mode", MODES)
def test_sectors_that_make_a_turn_hold_each_pixel_once(mode):
    fields = fields_on((11, 14), (4.3, 6.6))
    starts = -0.4 + np.array([0.0, 1.3, 2.9, TURN])
    total = 0.0
    for low, high in pairwise(starts):
        found, _ = cut(mode, "both", fields, RADIAL, Binned(low, high, 2, TURN))
        total = total + dense(found, 46).sum(axis=1)
    np.testing.assert_allclose(total, 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_what_lies_outside_is_lost(mode):
    fields = fields_on((11, 14), (4.3, 6.6))
    found, wanted = cut(mode, "both", fields, Binned(3.1, 7.3, 5, lowest=0.0), Binned(-1.0, 0.7, 4, TURN))
    assert_equal_shares(found, wanted, 20)
    total = dense(found, 20).sum(axis=1)
    assert total.max() <= 1.0 + 1e-6
    assert (total == 0.0).any()
    if mode != "no":
        assert ((total > 0.01) & (total < 0.99)).any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", AXES)
def test_bits_depend_neither_on_threads_nor_on_the_instruction_set(mode, which):
    """Pixels small and large against the bins, masked, at the beam and over the ends of the axis."""
    r, chi, r_vertex, chi_vertex = fields_on((700, 130), (301.3, 40.6))
    azimuthal = which != "radial"
    pixels = Pixels(
        mask=np.random.default_rng(0).random(r.shape) < 0.1,
        radial_centre=r,
        radial_vertex=r_vertex,
        azimuthal_centre=chi if azimuthal else None,
        azimuthal_vertex=chi_vertex if azimuthal or mode != "bbox" else None,
        period=TURN,
    )
    axes = Binned(0.7, 350.0, 300, lowest=0.0) if which != "azimuthal" else None, WHOLE if azimuthal else None
    expected = native(mode, pixels, *axes, isa="baseline")
    assert expected[1].size > 0
    for isa in isas():
        for threads in (1, 3):
            for a, b in zip(native(mode, pixels, *axes, threads=threads, isa=isa), expected, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", MODES)
def test_bits_do_not_depend_on_blocks(mode):
    r, chi, r_vertex, chi_vertex = fields_on((11, 14), (4.3, 6.6))
    mask = np.zeros(r.shape, bool)
    mask[2, 3:9] = True
    pixels = Pixels(
        mask=mask,
        radial_centre=r if mode in ("no", "bbox") else None,
        radial_vertex=r_vertex,
        azimuthal_centre=chi if mode in ("no", "bbox") else None,
        azimuthal_vertex=chi_vertex,
        period=TURN,
    )
    whole = native(mode, pixels, RADIAL, WHOLE)
    for borders in [(0, 1, 2, 11), (0, 5, 11)]:
        parts = [native(mode, pixels, RADIAL, WHOLE, rows=slice(a, b)) for a, b in pairwise(borders)]
        np.testing.assert_array_equal(whole[1], np.concatenate([part[1] for part in parts]))
        np.testing.assert_array_equal(whole[2], np.concatenate([part[2] for part in parts]))
        counts = np.concatenate([np.diff(part[0]) for part in parts])
        np.testing.assert_array_equal(np.diff(whole[0]), counts)
    assert np.all(np.diff(whole[0])[mask.ravel()] == 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_nowhere_has_no_entries(mode, bad):
    fields = fields_on((5, 6), (-3.0, -2.0))
    fields[0][2, 3] = bad
    fields[2][2, 3] = bad
    found, wanted = cut(mode, "both", fields, RADIAL, WHOLE)
    assert_equal_shares(found, wanted, 161)
    assert np.diff(found[0]).reshape(5, 6)[2, 3] == 0


def test_a_centre_on_an_edge_belongs_to_the_upper_bin():
    r = np.array([[0.0, 1.0, 1.5, 2.0, 3.0, 4.0]])
    pixels = _core.Pixels(r.shape, _core.Coordinate(None, r), _core.Coordinate())
    ptr, bins, coefs = _core.split(0, pixels, _core.SplitAxis(0.0, 4.0, 4))
    np.testing.assert_array_equal(bins, [0, 1, 1, 2, 3])  # the last lies at the upper end: outside
    np.testing.assert_array_equal(ptr, [0, 1, 2, 3, 4, 5, 5])
    np.testing.assert_array_equal(coefs, 1.0)


def test_the_pixel_around_the_beam_goes_all_the_way_round():
    """From r = 0 to its corners: all sectors get the same of a square about the beam, by symmetry."""
    fields = fields_on((1, 1), (0.5, 0.5), skew=0.0)
    for mode in ("bbox", "pseudo", "full"):
        (_, bins, coefs), _ = cut(mode, "azimuthal", fields, None, Binned(-np.pi, np.pi, 8, TURN))
        np.testing.assert_array_equal(bins, np.arange(8))
        np.testing.assert_allclose(coefs, 1 / 8, rtol=1e-6)


def test_a_corner_on_the_beam_spans_a_quarter():
    """The four pixels about the beam cover one quarter of the turn each."""
    fields = fields_on((2, 2), (1.0, 1.0), skew=0.0)
    found, _ = cut("full", "azimuthal", fields, None, Binned(-np.pi, np.pi, 4, TURN))
    np.testing.assert_array_equal(found[1], [0, 1, 3, 2])
    np.testing.assert_allclose(found[2], 1.0, rtol=1e-6)


def test_a_side_through_the_beam_spans_a_half():
    fields = fields_on((2, 1), (1.0, 0.5), skew=0.0)
    found, _ = cut("full", "azimuthal", fields, None, Binned(-np.pi, np.pi, 2, TURN))
    np.testing.assert_array_equal(found[1], [0, 1])
    np.testing.assert_allclose(found[2], 1.0, rtol=1e-6)


def test_pseudo_is_smaller_than_its_bounding_box():
    fields = fields_on((5, 6), (-3.0, -2.0))
    fine = Binned(0.0, 20.0, 4000, lowest=0.0)
    extents = []
    for mode in ("bbox", "pseudo"):
        (ptr, _, _), _ = cut(mode, "radial", fields, fine, None)
        extents.append(np.diff(ptr))
    assert np.all(extents[1] < extents[0])


def steps(low, high, parts=64):
    """Numbers on a grid that the sizes of bins below do not hit by chance: no verdict hangs on rounding."""
    return st.integers(round(low * parts), round(high * parts)).map(lambda k: k / parts)


corner = st.tuples(steps(0.0, 6.0), steps(-3.0, 3.0))


@given(
    quad=st.lists(corner, min_size=4, max_size=4),
    low=steps(-1.0, 4.0).map(lambda low: low + 0.001),
    size=steps(0.25, 5.0, 7),
    start=steps(-3.5, 3.0).map(lambda start: start + 0.0007),
    turn=steps(0.25, 6.25, 11),
    which=st.sampled_from(AXES),
    mode=st.sampled_from(("bbox", "pseudo", "full")),
    bins=st.tuples(st.integers(1, 6), st.integers(1, 5)),
    radius=st.booleans(),
)
def test_any_quadrilateral(quad, low, size, start, turn, which, mode, bins, radius):
    """Slivers, crossed sides, corners on the beam and all: as the twin, and never more than there is."""
    a, b, c, d = quad
    vertices = [np.array([[a[k], d[k]], [b[k], c[k]]]) for k in range(2)]
    centres = [np.array([[np.mean([p[k] for p in quad])]]) for k in range(2)]
    fields = centres[0], centres[1], vertices[0], vertices[1]
    radial = Binned(low, low + size, bins[0], lowest=0.0)
    azimuthal = Binned(start, start + turn, bins[1], TURN)
    found, wanted = cut(mode, which, fields, radial, azimuthal, radius=radius)
    n_bins = bins[0] * bins[1]
    np.testing.assert_allclose(dense(found, n_bins), dense(wanted, n_bins), rtol=1e-7, atol=1e-8)
    if which != "both" and mode != "full":
        assert dense(found, n_bins).sum() <= 1.0 + 1e-6


@given(
    centre=steps(0.0, 5.0),
    delta=steps(0.0, 3.0, 1000),
    low=steps(0.0, 3.0).map(lambda low: low + 0.0003),
    width=steps(0.02, 2.0, 77),
    bins=st.integers(1, 40),
)
def test_any_box(centre, delta, low, width, bins):
    r = np.array([[centre]])
    vertices = np.array([[centre - delta, centre], [centre, centre + 0.5 * delta]])
    fields = r, np.zeros((1, 1)), vertices, np.zeros((2, 2))
    axis = Binned(low, low + width * bins, bins, lowest=0.0)
    found, wanted = cut("bbox", "radial", fields, axis, None)
    np.testing.assert_allclose(dense(found, bins), dense(wanted, bins), rtol=1e-7, atol=1e-8)


def test_float64_inside():
    """Sums of the shares of one pixel over very many bins keep twelve digits of what the twin says."""
    fields = fields_on((3, 3), (-30.0, -20.0))
    axis = Binned(30.0, 45.0, 50, lowest=0.0)
    for mode in ("bbox", "pseudo", "full"):
        found, wanted = cut(mode, "radial", fields, axis, None)
        np.testing.assert_array_equal(found[1], wanted[1])
        np.testing.assert_allclose(found[2], wanted[2], rtol=2**-24 * 1.001)


def test_impossible_requests_are_refused():
    r = np.zeros((2, 2))
    pixels = _core.Pixels((2, 2), _core.Coordinate(None, r), _core.Coordinate())
    axis = _core.SplitAxis(0.0, 1.0, 4)
    with pytest.raises(ValueError, match="at least one axis"):
        _core.split(0, pixels)
    with pytest.raises(ValueError, match="mode"):
        _core.split(4, pixels, axis)
    with pytest.raises(ValueError, match="vertices"):
        _core.split(1, pixels, axis)
    with pytest.raises(ValueError, match="centres"):
        _core.split(0, pixels, None, axis)
    with pytest.raises(ValueError, match="agree"):
        _core.Pixels((2, 3), _core.Coordinate(None, r), _core.Coordinate())
    with pytest.raises(ValueError, match="rising"):
        _core.SplitAxis(1.0, 1.0, 4)
    with pytest.raises(ValueError, match="2\\^31"):
        _core.split(0, pixels, axis, _core.SplitAxis(0.0, 1.0, 2**30))
