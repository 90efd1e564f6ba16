"""From a geometry to the table: against the slow twin, against pyFAI, and what must hold by itself."""

from dataclasses import replace

import numpy as np
import pytest

from aureole.axis import Axis
from aureole.azimuthal.table import MODES, build_entries
from aureole.errors import GeometryError, SpecError
from aureole.geometry import Geometry, detector
from aureole.kernels.reference_split import Binned, Pixels, split

RADIAL_UNITS = (
    "q_nm^-1",
    "2th_deg",
    "r_mm",
    "d_A",
    "log10(q.m)_None",
    "d*2_A^-2",
    "arcsinh(q.nm)_None",
    "qx_nm^-1",
)
PIXEL = (172e-6, 190e-6)


def random_geometry(seed, shape, orientation=3, *, beam_inside=False):
    """All of dist, poni and rot at random; the beam falls anywhere, or on the detector."""
    rng = np.random.default_rng(seed)
    limits = {"dist": (0.05, 0.3), "poni1": (-0.02, 0.07), "poni2": (-0.02, 0.07)}
    limits |= {"rot1": (-0.3, 0.3), "rot2": (-0.3, 0.3), "rot3": (-3.0, 3.0)}
    pose = {name: rng.uniform(*limit) for name, limit in limits.items()}
    known = detector(pixel1=PIXEL[0], pixel2=PIXEL[1], shape=shape, orientation=orientation)
    geometry = Geometry(known, **pose, wavelength=1e-10)
    if not beam_inside:
        return geometry
    along1, along2, away = geometry.rotation_matrix()[2]
    to_beam = pose["dist"] * along1 / away, pose["dist"] * along2 / away
    middle = [rng.uniform(0.2, 0.8) * n * size for n, size in zip(shape, PIXEL, strict=True)]
    return replace(geometry, poni1=middle[0] - to_beam[0], poni2=middle[1] - to_beam[1])


def small_geometry(beam=(5.3, 6.8), shape=(11, 14), **pose):
    """A few large pixels, with the beam at `beam` (slow, fast) where it is not tilted."""
    known = detector(pixel1=1e-3, pixel2=1.2e-3, shape=shape)
    return Geometry(known, 0.1, beam[0] * 1e-3, beam[1] * 1.2e-3, **pose, wavelength=1e-10)


def sums(table, image):
    """Σ c·image, Σ c and the number of pixels of each bin."""
    entries = table.entries
    weights = np.repeat(np.asarray(image, float).ravel(), np.diff(entries.pixel_ptr)) * entries.coefs
    signal = np.bincount(entries.bins, weights, entries.n_bins)
    norm = np.bincount(entries.bins, entries.coefs.astype(float), entries.n_bins)
    return signal, norm, np.bincount(entries.bins, minlength=entries.n_bins)


def totals(table):
    """How much of each pixel is in the table."""
    entries = table.entries
    pixel = np.repeat(np.arange(entries.n_pixels), np.diff(entries.pixel_ptr))
    return np.bincount(pixel, entries.coefs.astype(float), entries.n_pixels)


def twin(geometry, radial, azimuthal, mode, table):
    """The reference's entries, with the bins of a table that was made."""
    centred = mode in ("no", "bbox")
    rho = radial.definition if radial is not None else "r_m"
    chi = azimuthal.unit if azimuthal is not None else "chi_rad"
    beam = getattr(rho, "function", "identity") not in ("reciprocal", "log10")
    mask = np.zeros(geometry.shape, bool)
    if not beam and mode != "no":
        row, column = (int(at) for at in geometry.beam_center())
        mask[row, column] = True
    pixels = Pixels(
        mask=mask,
        radial_centre=geometry.center_array(rho) if centred and radial is not None else None,
        radial_vertex=geometry.vertex_array(rho) if mode != "no" else None,
        azimuthal_centre=geometry.center_array(chi) if centred and azimuthal is not None else None,
        azimuthal_vertex=(
            geometry.vertex_array(chi) if not centred or (mode == "bbox" and azimuthal is not None) else None
        ),
        period=2.0 * np.pi if chi == "chi_rad" else 360.0,
        radius=beam and getattr(rho, "positive", True),
    )

    def binned(axis, found):
        if axis is None:
            return None
        known = axis.definition
        lowest = 0.0 if known.positive else -np.inf
        return Binned(*found, axis.bins or 1, known.period or 0.0, lowest)

    return split(mode, pixels, binned(radial, table.radial), binned(azimuthal, table.azimuthal))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", RADIAL_UNITS)
@pytest.mark.parametrize("cake", [False, True])
def test_the_table_is_that_of_the_twin(mode, name, cake):
    geometry = small_geometry(rot1=0.012, rot2=-0.017, rot3=0.4)
    low, high = (0.5, 20.0) if name == "d_A" else (None, None)
    radial = Axis(name, 12, None if low is None else (low, high))
    azimuthal = Axis("chi_deg", 5) if cake else None
    table = build_entries(geometry, radial, azimuthal, split=mode)
    ptr, bins, coefs = twin(geometry, radial, azimuthal, mode, table)
    dense = np.zeros((2, ptr.size - 1, table.entries.n_bins))
    for layer, (p, b, c) in enumerate(
        [(ptr, bins, coefs), (table.entries.pixel_ptr, table.entries.bins, table.entries.coefs)]
    ):
        dense[layer, np.repeat(np.arange(p.size - 1), np.diff(p)), b] = c
    np.testing.assert_allclose(dense[1], dense[0], rtol=1e-7, atol=2e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("beam", [(5.3, 6.8), (5.0, 7.0), (5.5, 7.0), (5.5, 7.5), (-20.0, 4.0)])
@pytest.mark.parametrize("turn", ["pi", "zero"])
def test_all_of_a_pixel_inside_the_range_is_in_the_table(mode, beam, turn):
    geometry = small_geometry(beam)
    radial, azimuthal = Axis("q_nm^-1", 30, (0.0, 1e3)), Axis("chi_deg", 17)
    for axes in [(radial, None), (radial, azimuthal), (None, azimuthal)]:
        table = build_entries(geometry, *axes, split=mode, chi_discontinuity=turn)
        np.testing.assert_allclose(totals(table), 1.0, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_bits_do_not_depend_on_threads(mode):
    geometry = random_geometry(3, (400, 350))
    axes = Axis("q_nm^-1", 100), Axis("chi_deg", 20)
    tables = [build_entries(geometry, *axes, split=mode, threads=threads) for threads in (1, 3)]
    assert tables[0].radial == tables[1].radial
    assert tables[0].azimuthal == tables[1].azimuthal
    for name in ("pixel_ptr", "bins", "coefs"):
        np.testing.assert_array_equal(*(getattr(table.entries, name) for table in tables))


@pytest.mark.parametrize("mode", MODES)
def test_a_masked_pixel_is_not_there(mode):
    geometry = small_geometry()
    mask = np.zeros(geometry.shape, bool)
    mask[:, 9:] = True
    mask[0] = True
    table = build_entries(geometry, Axis("r_mm", 9), None, split=mode, mask=mask)
    filled = np.diff(table.entries.pixel_ptr).reshape(mask.shape) > 0
    np.testing.assert_array_equal(filled, ~mask)
    whole = build_entries(geometry, Axis("r_mm", 9), None, split=mode)
    assert table.radial[1] < whole.radial[1], "the range is that of the others"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("window", [(-40.0, 75.0), (150.0, 230.0), (-200.0, -170.0), (400.0, 500.0)])
def test_a_pattern_over_azimuths_is_the_sum_of_rows_of_a_cake(mode, window):
    geometry = small_geometry(rot1=0.012, rot2=-0.017)
    radial = Axis("q_nm^-1", 12, (0.0, 14.0))
    image = np.random.default_rng(0).uniform(1.0, 2.0, geometry.shape)
    pattern = sums(build_entries(geometry, radial, Axis("chi_deg", None, window), split=mode), image)
    cake = sums(build_entries(geometry, radial, Axis("chi_deg", 6, window), split=mode), image)
    assert pattern[0].sum() > 0.0
    for one, many in zip(pattern[:2], cake[:2], strict=True):
        np.testing.assert_allclose(one, many.reshape(6, 12).sum(axis=0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_intensity_against_azimuth_is_the_sum_of_columns_of_a_cake(mode):
    geometry = small_geometry(rot1=0.012, rot2=-0.017)
    window = (2.0, 5.5)
    azimuthal = Axis("chi_deg", 8, (-180.0, 180.0))
    image = np.random.default_rng(0).uniform(1.0, 2.0, geometry.shape)
    line = sums(build_entries(geometry, Axis("r_mm", None, window), azimuthal, split=mode), image)[0]
    cake = sums(build_entries(geometry, Axis("r_mm", 4, window), azimuthal, split=mode), image)[0]
    np.testing.assert_allclose(line, cake.reshape(8, 4).sum(axis=1), rtol=1e-5, atol=1e-7)
    free = sums(build_entries(geometry, None, azimuthal, split=mode), image)[0]
    np.testing.assert_allclose(free.sum(), image.sum(), rtol=1e-6)


@pytest.mark.parametrize("mode", ["bbox", "pseudo", "full"])
def test_a_pixel_over_the_discontinuity_is_on_both_sides(mode):
    """The middle row looks at χ = π with its left half; no bin but the first and last get anything of it."""
    geometry = small_geometry((5.5, 7.0))
    table = build_entries(geometry, None, Axis("chi_deg", 360), split=mode)
    assert table.azimuthal == pytest.approx((-180.0, 180.0), rel=1e-6)
    ptr = table.entries.pixel_ptr
    pixel = 5 * 14 + 2
    bins, coefs = (part[ptr[pixel] : ptr[pixel + 1]] for part in (table.entries.bins, table.entries.coefs))
    upper = bins > 180
    assert coefs[upper].sum() == pytest.approx(0.5, abs=1e-6)
    assert coefs[~upper].sum() == pytest.approx(0.5, abs=1e-6)
    assert bins.min() == 0
    assert bins.max() == 359


def test_where_the_turn_starts():
    geometry = small_geometry()
    for turn, low in (("pi", -180.0), ("zero", 0.0)):
        table = build_entries(geometry, None, Axis("chi_deg", 36), split="bbox", chi_discontinuity=turn)
        assert table.azimuthal == pytest.approx((low, low + 360.0), rel=1e-6)
    aside = small_geometry((-30.0, -30.0))
    low, high = build_entries(aside, None, Axis("chi_deg", 36), split="full").azimuthal
    assert 0.0 < low < high < 90.0


@pytest.mark.parametrize("mode", MODES)
def test_spacings_near_the_beam(mode):
    """The d-spacing is infinite on the beam: the pixel there is left out, and the range is finite."""
    geometry = small_geometry((5.0, 7.5))
    table = build_entries(geometry, Axis("d_A", 20), None, split=mode)
    assert np.all(np.isfinite(table.radial))
    absent = np.flatnonzero(np.diff(table.entries.pixel_ptr) == 0)
    wanted = [] if mode == "no" else [4 * 14 + 7, 5 * 14 + 7]
    np.testing.assert_array_equal(absent, wanted)
    centred = small_geometry((5.5, 7.5))
    table = build_entries(centred, Axis("d_A", 20), None, split=mode)
    assert np.all(np.isfinite(table.radial))
    np.testing.assert_array_equal(np.flatnonzero(np.diff(table.entries.pixel_ptr) == 0), [5 * 14 + 7])


def test_half_a_pixel_outside_counts_half():
    """pyFAI puts what hangs over an end of the range into the last bin: bins at the ends stand too high."""
    geometry = small_geometry((0.5, -50.0), shape=(1, 8))
    r = geometry.center_array("r_mm")[0]
    table = build_entries(geometry, Axis("r_mm", 3, (r[1], r[6])), None, split="bbox")
    np.testing.assert_allclose(totals(table), [0, 0.5, 1, 1, 1, 1, 0.5, 0], atol=1e-2)


@pytest.mark.parametrize(
    ("axes", "options", "words"),
    [
        ((None, None), {}, "nothing to bin"),
        ((Axis("q_nm^-1", None, (0, 1)), None), {}, "nothing to bin"),
        ((Axis("chi_deg", 5), None), {}, "radial"),
        ((Axis("q_nm^-1", 5), Axis("q_nm^-1", 5)), {}, "azimuthal"),
        ((Axis("q_nm^-1", 5), None), {"split": "half"}, "unknown splitting 'half'"),
        ((Axis("q_nm^-1", 5), None), {"mask": np.zeros((3, 3), bool)}, r"mask has shape \(3, 3\)"),
        ((Axis("q_nm^-1", 2**20), Axis("chi_deg", 2**12)), {}, "ask for fewer"),
        ((Axis("q_nm^-1", 5), None), {"mask": np.ones((11, 14), bool)}, "finite range"),
    ],
)
def test_what_cannot_be_asked(axes, options, words):
    with pytest.raises(SpecError, match=words):
        build_entries(small_geometry(), *axes, **options)


def test_q_needs_a_wavelength():
    geometry = Geometry(detector(pixel1=1e-3, pixel2=1e-3, shape=(4, 4)), 0.1)
    with pytest.raises(GeometryError, match="wavelength"):
        build_entries(geometry, Axis("q_nm^-1", 5), None)


# ---- pyFAI


def pyfai(geometry):
    module = pytest.importorskip("pyFAI.integrator.azimuthal")
    detectors = pytest.importorskip("pyFAI.detectors")
    known = geometry.detector
    plain = detectors.Detector(
        known.pixel1, known.pixel2, max_shape=known.shape, orientation=known.orientation
    )
    pose = {key: getattr(geometry, key) for key in ("dist", "poni1", "poni2", "rot1", "rot2", "rot3")}
    return module.AzimuthalIntegrator(**pose, wavelength=geometry.wavelength, detector=plain)


def frame(shape):
    rng = np.random.default_rng(0)
    mask = np.zeros(shape, bool)
    mask[50:60] = True
    mask[:, 100:103] = True
    return rng.poisson(50.0, shape).astype(np.float32), mask


def assert_agreement(ours, theirs, count, *, median, worst):
    crowded = count > 20
    assert crowded.sum() > 10
    error = np.abs(ours[crowded] / theirs[crowded] - 1.0)
    assert np.median(error) <= median
    assert error.max() <= worst


@pytest.mark.parametrize("beam_inside", [False, True])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["q_nm^-1", "2th_deg", "r_mm"])
@pytest.mark.parametrize("mode", ["no", "bbox", "full"])
def test_patterns_agree_with_pyfai(mode, name, orientation, beam_inside):
    geometry = random_geometry(7 * orientation, (260, 300), orientation, beam_inside=beam_inside)
    image, mask = frame(geometry.shape)
    reference = pyfai(geometry).integrate1d_ng(
        image,
        150,
        unit=name,
        mask=mask.astype(np.int8),
        method=(mode, "csr", "cython"),
        correctSolidAngle=False,
    )
    axis = Axis(name, 150)
    table = build_entries(geometry, axis, None, split=mode, mask=mask)
    signal, norm, count = sums(table, image)
    width = (table.radial[1] - table.radial[0]) / 150
    # Where corners decide, pyFAI's range has the error of float32 corners.
    np.testing.assert_allclose(
        axis.centres(*table.radial), reference.radial, rtol=0, atol=width * (1e-9 if mode == "no" else 5e-5)
    )
    if mode == "full":  # pyFAI makes no sense of the polygon of the pixel that the beam falls on
        row, column = (int(at) for at in np.clip(geometry.beam_center(), 0, np.array(geometry.shape) - 1))
        start, stop = table.entries.pixel_ptr[row * geometry.shape[1] + column :][:2]
        count[table.entries.bins[start:stop]] = 0
    median, worst = (1e-6, 1e-6) if mode == "no" else (1e-6, 5e-5)
    assert_agreement(signal, reference.sum_signal, count, median=median, worst=worst)
    assert_agreement(norm, reference.sum_normalization, count, median=median, worst=worst)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", ["no", "bbox", "full", "pseudo"])
def test_cakes_agree_with_pyfai(mode, orientation):
    """Cells of the first and last azimuth are left out: pyFAI cuts off what hangs over the discontinuity.

    For full splitting pyFAI deals the area under each side of a pixel out to the bins of a column as if the
    side were level, so single cells agree to some parts in a thousand only (columns: see below). Its pseudo
    splitting loses a part of the signal.
    """
    geometry = random_geometry(7 * orientation + 1, (260, 300), orientation)
    image, mask = frame(geometry.shape)
    radial, azimuthal = Axis("q_nm^-1", 50), Axis("chi_deg", 36, (-180.0, 180.0))
    reference = pyfai(geometry).integrate2d_ng(
        image,
        50,
        36,
        unit="q_nm^-1",
        mask=mask.astype(np.int8),
        azimuth_range=(-180, 180),
        method=(mode, "histogram" if mode == "pseudo" else "csr", "cython"),
        correctSolidAngle=False,
    )
    table = build_entries(geometry, radial, azimuthal, split=mode, mask=mask)
    signal, norm, count = (part.reshape(36, 50)[1:-1] for part in sums(table, image))
    theirs = reference.sum_signal[1:-1], reference.sum_normalization[1:-1]
    np.testing.assert_allclose(radial.centres(*table.radial), reference.radial, rtol=1e-5)
    np.testing.assert_allclose(azimuthal.centres(*table.azimuthal), reference.azimuthal, rtol=1e-6)
    limits = {"no": (1e-6, 1e-6), "bbox": (1e-6, 5e-5), "full": (2e-4, 2e-2), "pseudo": (0.1, 0.5)}[mode]
    for ours, other in zip((signal, norm), theirs, strict=True):
        assert_agreement(ours, other, count, median=limits[0], worst=limits[1])


@pytest.mark.parametrize("orientation", [1, 2, 3])
def test_columns_of_full_cakes_agree_with_pyfai(orientation):
    """Detectors that do not look at χ = π: nothing hangs over."""
    geometry = random_geometry(7 * orientation + 1, (260, 300), orientation)
    image, _ = frame(geometry.shape)
    window = (-180.0, 180.0)
    reference = pyfai(geometry).integrate2d_ng(
        image,
        50,
        36,
        unit="q_nm^-1",
        azimuth_range=window,
        method=("full", "csr", "cython"),
        correctSolidAngle=False,
    )
    table = build_entries(geometry, Axis("q_nm^-1", 50), Axis("chi_deg", 36, window), split="full")
    signal, _, count = (part.reshape(36, 50).sum(axis=0) for part in sums(table, image))
    assert_agreement(signal, reference.sum_signal.sum(axis=0), count, median=1e-6, worst=5e-5)


@pytest.mark.parametrize(
    "name", ["q_A^-1", "d_A", "log10(q.m)_None", "d*2_nm^-2", "log(1+q.nm)_None", "qx_nm^-1"]
)
@pytest.mark.parametrize("mode", ["no", "bbox"])
def test_other_units_agree_with_pyfai(mode, name):
    geometry = random_geometry(21, (200, 220))
    image, _ = frame(geometry.shape)
    reference = pyfai(geometry).integrate1d_ng(
        image, 80, unit=name, method=(mode, "csr", "cython"), correctSolidAngle=False
    )
    table = build_entries(geometry, Axis(name, 80), None, split=mode)
    signal, _, count = sums(table, image)
    median, worst = (1e-6, 1e-6) if mode == "no" else (1e-6, 5e-5)
    if mode == "bbox" and name.startswith("log10"):  # about 10 everywhere: as float32, a pixel has few digits
        median, worst = 1e-5, 5e-4
    assert_agreement(signal, reference.sum_signal, count, median=median, worst=worst)
