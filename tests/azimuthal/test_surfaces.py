"""Tables of detectors whose pixels form no grid: against the slow twin, a grid, and the peer."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from aureole import _core
from aureole.arrays import NamedArray
from aureole.axis import Axis
from aureole.azimuthal.table import MODES, build_entries
from aureole.geometry import Detector, Geometry, detector
from aureole.geometry.recorded import Recorded
from aureole.geometry.surface import Cylinder, Hexagons, Panels
from aureole.kernels import isas
from aureole.kernels.reference_split import Binned, Pixels, split

SURFACES = {
    "hexagons": Hexagons(),
    "cylinder": Cylinder(0.05),
    "panels": Panels(4, 5.5e-3, 0.3),
}
POSE = {"rot1": 0.012, "rot2": -0.017, "rot3": 0.4}


def small(surface, beam=(5.3, 6.8), **pose):
    """A few large pixels around the beam."""
    known = Detector("mine", 1e-3, 1.2e-3, (11, 14), surface=surface)
    return Geometry(known, 0.1, beam[0] * 1e-3, beam[1] * 1.2e-3, **pose, wavelength=1e-10)


def recorded(geometry, dtype):
    """The same geometry, with all corners in an array."""
    corners = NamedArray("corners", geometry.detector.corners().astype(dtype))
    known = replace(geometry.detector, surface=None, recorded=Recorded("mine.h5", corners))
    return replace(geometry, detector=known)


def twin(geometry, radial, azimuthal, mode, table):
    """The reference's entries, with the bins of a table that was made."""
    centred = mode in ("no", "bbox")
    mask = np.zeros(geometry.shape, bool)
    rho = radial.unit if radial is not None else "r_m"
    if rho == "d_A" and mode != "no":
        row, column = (int(at) for at in geometry.beam_center())
        mask[row, column] = True
    azimuths = not centred or (mode == "bbox" and azimuthal is not None)
    pixels = Pixels(
        mask=mask,
        radial_centre=geometry.center_array(rho) if centred and radial is not None else None,
        radial_vertex=geometry.corner_array(rho) if mode != "no" else None,
        azimuthal_centre=geometry.center_array("chi_deg") if centred and azimuthal is not None else None,
        azimuthal_vertex=geometry.corner_array("chi_deg") if azimuths else None,
        period=360.0,
        radius=rho != "d_A",
    )
    found = [
        None if axis is None else Binned(*extent, axis.bins, axis.definition.period or 0.0, lowest)
        for axis, extent, lowest in ((radial, table.radial, 0.0), (azimuthal, table.azimuthal, -np.inf))
    ]
    return split(mode, pixels, *found)


def dense(pixel_ptr, bins, coefs, n_bins):
    found = np.zeros((pixel_ptr.size - 1, n_bins))
    found[np.repeat(np.arange(pixel_ptr.size - 1), np.diff(pixel_ptr)), bins] = coefs
    return found


def matrix(table):
    entries = table.entries
    return dense(entries.pixel_ptr, entries.bins, entries.coefs, entries.n_bins)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("axes", ["pattern", "cake", "chi", "spacings"])
def test_the_table_is_that_of_the_twin(mode, name, axes):
    geometry = small(SURFACES[name], **POSE)
    radial = Axis("d_A", 12, (0.5, 20.0)) if axes == "spacings" else Axis("q_nm^-1", 12)
    radial = None if axes == "chi" else radial
    azimuthal = Axis("chi_deg", 7) if axes in ("cake", "chi") else None
    table = build_entries(geometry, radial, azimuthal, split=mode)
    expected = dense(*twin(geometry, radial, azimuthal, mode, table), table.entries.n_bins)
    np.testing.assert_allclose(matrix(table), expected, rtol=1e-7, atol=2e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("beam", [(5.3, 6.8), (5.0, 7.0), (5.5, 7.5), (-20.0, 4.0)])
def test_all_of_a_pixel_is_in_the_table(mode, name, beam):
    geometry = small(SURFACES[name], beam)
    radial, azimuthal = Axis("q_nm^-1", 30, (0.0, 1e3)), Axis("chi_deg", 17)
    for axes in [(radial, None), (radial, azimuthal), (None, azimuthal)]:
        table = build_entries(geometry, *axes, split=mode)
        np.testing.assert_allclose(matrix(table).sum(1), 1.0, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_grid_whose_corners_are_recorded_is_that_grid(mode, orientation, dtype):
    # numbers that float32 has exactly
    known = detector(pixel1=2.0**-10, pixel2=2.0**-9, shape=(40, 50))
    geometry = Geometry(known, 0.1, -0.02, 0.03, **POSE, wavelength=1e-10)
    listed = recorded(geometry, dtype)
    assert not listed.detector.is_grid
    for axes in [(Axis("q_nm^-1", 100), None), (Axis("q_nm^-1", 20), Axis("chi_deg", 12))]:
        found = [
            build_entries(
                replace(each, detector=replace(each.detector, orientation=orientation)), *axes, split=mode
            )
            for each in (geometry, listed)
        ]
        np.testing.assert_allclose(found[1].radial, found[0].radial, rtol=1e-12)
        np.testing.assert_allclose(matrix(found[1]), matrix(found[0]), atol=1e-7)


@pytest.mark.parametrize("orientation", [1, 2, 4])
@pytest.mark.parametrize("name", SURFACES)
def test_recorded_corners_are_turned_as_computed_ones(name, orientation):
    geometry = small(SURFACES[name], **POSE)
    listed = recorded(geometry, np.float64)
    turned = [
        replace(each, detector=replace(each.detector, orientation=orientation)) for each in (geometry, listed)
    ]
    for ask in ("center_array", "corner_array"):
        values = [getattr(each, ask)("q_nm^-1") for each in turned]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-12)
    np.testing.assert_allclose(turned[1].solid_angle(), turned[0].solid_angle(), rtol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_bits_do_not_depend_on_threads(mode):
    geometry = Geometry(detector("Pixirad1"), 0.1, 0.01, 0.012, **POSE, wavelength=1e-10)
    axes = Axis("q_nm^-1", 100), Axis("chi_deg", 20)
    tables = [build_entries(geometry, *axes, split=mode, threads=threads) for threads in (1, 3)]
    assert tables[0].radial == tables[1].radial
    for name in ("pixel_ptr", "bins", "coefs"):
        np.testing.assert_array_equal(*(getattr(table.entries, name) for table in tables))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SURFACES)
def test_bits_do_not_depend_on_the_instruction_set(mode, name):
    geometry = small(SURFACES[name], **POSE)
    fields = [_core.Coordinate(geometry.field(unit)) for unit in ("q_nm^-1", "chi_deg")]
    pixels = _core.Pixels((11, 14), *fields, period=360.0, **geometry.pixels().for_kernels())
    axes = _core.SplitAxis(0.0, 20.0, 30), _core.SplitAxis(-180.0, 180.0, 9, 360.0)
    for given in (axes, (axes[0], None)):
        tables = [_core.split(MODES[mode], pixels, *given, isa=isa) for isa in isas()]
        for table in tables[1:]:
            for a, b in zip(table, tables[0], strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_pixel_without_a_place_has_no_share():
    geometry = recorded(small(SURFACES["panels"]), np.float64)
    corners = geometry.detector.recorded.corners.array.copy()
    corners[3, 4, 2] = np.nan
    known = replace(geometry.detector, recorded=Recorded("mine.h5", NamedArray("corners", corners)))
    for mode in MODES:
        table = build_entries(replace(geometry, detector=known), Axis("q_nm^-1", 12), None, split=mode)
        shares = matrix(table).sum(1)
        assert shares[3 * 14 + 4] == 0.0
        assert np.count_nonzero(shares) > 100


# ---- pyFAI

HEXAGONS = "Pixirad1"
NAMES = [HEXAGONS, "Xpad_flat", "Cirpad", "Aarhus"]


def pair(name):
    detectors = pytest.importorskip("pyFAI.detectors")
    module = pytest.importorskip("pyFAI.integrator.azimuthal")
    pose = {"dist": 0.1, "poni1": 0.008, "poni2": 0.011, **POSE}
    if name == "Aarhus":
        pose |= {"dist": 0.2999, "poni1": 0.003, "poni2": 0.012}
    if name == "Cirpad":
        pose |= {"dist": 0.66, "poni1": 0.05, "poni2": 0.003}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = detectors.detector_factory(name)
    shape = {"Aarhus": (60, 3000), "Cirpad": (11200, 120)}.get(name, theirs.shape)
    theirs.shape = theirs.max_shape = shape
    if name == HEXAGONS:
        # The peer takes four of six corners for the middle of a hexagon, which is a quarter of a pixel off.
        middles = detector(name).positions()
        theirs.calc_cartesian_positions = lambda *args, **options: middles
    ai = module.AzimuthalIntegrator(**pose, wavelength=1e-10, detector=theirs)
    return Geometry(detector(name, shape=shape), **pose, wavelength=1e-10), ai


def integrated(ai, image, mask, mode):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ai.integrate1d_ng(
            image,
            150,
            unit="2th_deg",
            mask=mask.astype(np.int8),
            method=(mode, "csr", "cython"),
            correctSolidAngle=False,
        )


def edges_of(result):
    width = result.radial[1] - result.radial[0]
    # the lowest pixel is on the lowest edge
    return np.linspace(result.radial[0] - (0.5 + 1e-5) * width, result.radial[-1] + 0.5 * width, 151)


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, mode) for name in NAMES for mode in ("no", "bbox", "full") if (name, mode) != (HEXAGONS, "full")],
)
def test_patterns_agree_with_pyfai(name, mode):
    """The peer does not share hexagons out by their area; its float32 puts a pixel on one side of an edge."""
    geometry, ai = pair(name)
    image = np.random.default_rng(0).poisson(50.0, geometry.shape).astype(np.float32)
    mask = geometry.detector.mask.copy()
    angle = geometry.center_array("2th_deg")
    if angle.min() < 0.1:  # it makes no sense of the polygon that the beam falls on
        mask[np.unravel_index(np.argmin(angle), angle.shape)] = True
    edges = edges_of(integrated(ai, image, mask, mode))
    if mode == "no":
        at = (angle - edges[0]) / (edges[1] - edges[0])
        nearest = np.round(at)
        mask |= (np.abs(at - nearest) < 1e-3) & (nearest > 0) & (nearest < 150)
    reference = integrated(ai, image, mask, mode)
    edges = edges_of(reference)
    table = build_entries(geometry, Axis("2th_deg", 150, (edges[0], edges[-1])), None, split=mode, mask=mask)
    entries = table.entries
    weights = np.repeat(image.ravel(), np.diff(entries.pixel_ptr)) * entries.coefs.astype(float)
    signal = np.bincount(entries.bins, weights, entries.n_bins)
    count = np.bincount(entries.bins, minlength=entries.n_bins)
    crowded = count > 20
    assert crowded.sum() > 100
    error = np.abs(signal / reference.sum_signal - 1.0)[crowded]
    assert np.median(error) < (1e-6 if mode == "no" else 5e-6)
    assert error.max() < (1e-6 if mode == "no" else 5e-5)
