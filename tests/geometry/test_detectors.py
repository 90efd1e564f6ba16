import json
import pickle
import warnings

import numpy as np
import pytest
from pyFAI.detectors import ALL_DETECTORS, detector_factory

from aureole.errors import GeometryError
from aureole.geometry import Detector, Sensor, detector, model_names
from aureole.geometry.layout import Layout

FAMILIES = {"Pilatus", "PilatusCdTe", "Pilatus4", "Pilatus4_CdTe", "Eiger", "Eiger2", "Eiger2CdTe"}
"""Names without a shape."""
NAMED = [name for name in model_names() if name not in FAMILIES]

GRIDS = [name for name in NAMED if detector(name).is_grid]
FLIPPED_TWICE = {"ImXPadS10", "ImXPadS70", "ImXPadS70V", "ImXPadS140"}
"""The peer reverses both indices and borders of these: only its positions of whole images are right."""


def peer(name, **config):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return detector_factory(name, config or None)


def peer_positions(theirs, centre):
    """Positions from indices, which is the way of the peer that knows of orientations for all detectors."""
    extra = 0 if centre else 1
    d1, d2 = np.meshgrid(
        np.arange(theirs.shape[0] + extra, dtype=np.float64),
        np.arange(theirs.shape[1] + extra, dtype=np.float64),
        indexing="ij",
    )
    return theirs.calc_cartesian_positions(d1, d2, center=centre, use_cython=False)[:2]


def assert_same_positions(ours, theirs):
    p1, p2 = peer_positions(theirs, centre=True)
    np.testing.assert_allclose(ours.centres(0), p1[:, 0], rtol=1e-12)
    np.testing.assert_allclose(ours.centres(1), p2[0], rtol=1e-12)
    assert np.ptp(p1, axis=1).max() == 0.0
    p1, p2 = peer_positions(theirs, centre=False)
    np.testing.assert_allclose(ours.edges(0), p1[:, 0], rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(ours.edges(1), p2[0], rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("name", NAMED)
def test_facts_of_named_detectors(name):
    ours, theirs = detector(name), peer(name)
    assert ours.shape == tuple(theirs.shape)
    assert (ours.pixel1, ours.pixel2) == pytest.approx((theirs.pixel1, theirs.pixel2), rel=1e-12)
    expected = np.zeros(ours.shape, bool) if theirs.mask is None else theirs.mask != 0
    np.testing.assert_array_equal(ours.mask, expected)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
@pytest.mark.parametrize("name", GRIDS)
def test_positions_of_named_grids(name, orientation):
    ours = detector(name, orientation=orientation)
    theirs = peer(name, orientation=orientation)
    if name in FLIPPED_TWICE:
        for centre, values in ((True, ours.centres), (False, ours.edges)):
            p1, p2, _ = theirs.calc_cartesian_positions(center=centre)
            np.testing.assert_allclose(values(0), p1[:, 0], rtol=1e-12, atol=1e-17)
            np.testing.assert_allclose(values(1), p2[0], rtol=1e-12, atol=1e-17)
        return
    n1, n2 = ours.shape
    # whole images of the largest detectors would take gigabytes, and rows and columns are independent
    rows, columns = np.arange(n1 + 1.0), np.arange(n2 + 1.0)
    for centre in (True, False):
        r, c = (rows[:-1], columns[:-1]) if centre else (rows, columns)
        p1 = theirs.calc_cartesian_positions(r, np.zeros_like(r), center=centre, use_cython=False)[0]
        p2 = theirs.calc_cartesian_positions(np.zeros_like(c), c, center=centre, use_cython=False)[1]
        for axis, expected in ((0, p1), (1, p2)):
            value = ours.centres(axis) if centre else ours.edges(axis)
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["Pilatus100k", "Jungfrau"])
def test_positions_of_whole_images(name, orientation):
    assert_same_positions(detector(name, orientation=orientation), peer(name, orientation=orientation))


def test_pixels_of_an_assembled_jungfrau_are_widened_without_regard_to_its_gaps():
    ours = detector("jungfrau_8m")
    widths = np.diff(ours.edges(0)) / ours.pixel1
    assert set(np.flatnonzero(widths > 1.5)) == {256 * k + side for k in range(1, 13) for side in (-1, 0)}
    assert (
        0.3 < ours.mask[255].mean() < 0.9
    )  # widened pixels are sensitive in one column and a gap in another


@pytest.mark.parametrize("name", ALL_DETECTORS)
def test_every_name_of_the_peer_is_known(name):
    cls = ALL_DETECTORS[name]
    for written in (name, cls.__name__, *cls.aliases):
        size = {"pixel1": 1e-4, "pixel2": 1e-4} if cls.__name__ == "Detector" else {}
        assert detector(written, **size).name == cls.__name__, written


def test_no_detector_of_the_peer_was_left_out():
    assert {cls.__name__ for cls in ALL_DETECTORS.values()} == {"Detector", *NAMED}


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Pilatus 2M", "Pilatus2M"),
        ("PILATUS_2M", "Pilatus2M"),
        ("Dectris Pilatus 2M", "Pilatus2M"),
        ("Pilatus3 2M CdTe", "PilatusCdTe2M"),
        ("PILATUS3 X CdTe 2M", "PilatusCdTe2M"),
        ("Pilatus3X 2M CdTe", "PilatusCdTe2M"),
        ("Pilatus3_2M", "Pilatus2M"),
        ("Pilatus3 S 6M", "Pilatus6M"),
        ("pilatus3x6m", "Pilatus6M"),
        ("Pilatus 300K-W", "Pilatus300kw"),
        ("Pilatus3 X 300k-W CdTe", "PilatusCdTe300kw"),
        ("Pilatus 300k", "Pilatus300k"),
        ("Pilatus4 2M CdTe", "Pilatus4_CdTe_2M"),
        ("Pilatus4 X CdTe 2M", "Pilatus4_CdTe_2M"),
        ("Pilatus4_CdTe_260kw", "Pilatus4_CdTe_260kw"),
        ("Eiger 4M", "Eiger4M"),
        ("EIGER X 4M", "Eiger4M"),
        ("Eiger2_9M", "Eiger2_9M"),
        ("Eiger2 X 9M", "Eiger2_9M"),
        ("Dectris EIGER2 XE 16M", "Eiger2_16M"),
        ("Dectris EIGER2 Si 16M", "Eiger2_16M"),
        ("Eiger2 CdTe 1M-W", "Eiger2CdTe_1MW"),
        ("EIGER2 XE CdTe 9M", "Eiger2CdTe_9M"),
        ("Lambda 7.5M", "Lambda7M5"),
        ("MAR 165", "RayonixSx165"),
        ("mar345", "Mar345"),
        ("Rayonix MX225-HS", "RayonixMx225hs"),
        ("Rayonix LX225HS", "RayonixLx255"),
        ("Jungfrau 16M cor", "Jungfrau_16M_cor"),
    ],
)
def test_ways_to_write_a_name(written, name):
    assert detector(written).name == name


def test_unknown_names_get_near_ones():
    with pytest.raises(GeometryError, match=r"unknown detector 'Pilatus 3M': did you mean .*Pilatus"):
        detector("Pilatus 3M")
    with pytest.raises(GeometryError, match="give a known name"):
        detector("%&/")


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_families_take_the_shape_of_the_image(name):
    ours = detector(name)
    assert ours.shape is None
    with pytest.raises(GeometryError, match="has no shape"):
        _ = ours.mask
    fitted = ours.with_shape((1100, 1100))
    np.testing.assert_array_equal(fitted.mask, peer(name, max_shape=(1100, 1100)).mask != 0)


def test_wafers_of_cdte_modules_have_a_gap_of_three_pixels():
    mask = detector("Pilatus 2M CdTe").mask
    assert mask[:, 242:245].all()
    assert not mask[:195, [241, 245]].any()
    assert (mask & ~detector("Pilatus 2M").mask).sum() == 3 * 3 * (1679 - 7 * 17)


@pytest.mark.parametrize("name", ["Pilatus2M", "Eiger2_4M", "Lambda250k"])
def test_binning_of_module_detectors(name):
    full = detector(name)
    ours = detector(name, pixel1=2 * full.pixel1, pixel2=2 * full.pixel2)
    theirs = peer(name, pixel1=2 * full.pixel1, pixel2=2 * full.pixel2)
    assert ours.shape == tuple(theirs.shape)
    n1, n2 = ours.shape
    blocks = full.mask[: 2 * n1, : 2 * n2].reshape(n1, 2, n2, 2)
    np.testing.assert_array_equal(ours.mask, blocks.any(axis=(1, 3)))
    assert detector(name, shape=ours.shape) == ours


@pytest.mark.parametrize("name", [name for name in NAMED if name.startswith("Rayonix")])
def test_binning_of_ccds(name):
    cls = type(peer(name))
    for binning, pixel in cls.BINNED_PIXEL_SIZE.items():
        theirs = peer(name, pixel1=pixel, pixel2=pixel)
        ours = detector(name, pixel1=pixel, pixel2=pixel)
        assert ours.shape == tuple(theirs.shape)
        assert ours.pixel1 == pixel
        assert detector(name, shape=ours.shape).pixel1 == pixel
        if binning in (4, 8) and theirs.mask is not None:
            np.testing.assert_array_equal(ours.mask, theirs.mask != 0)


@pytest.mark.parametrize(
    ("shape", "pixel"), [((2300, 2300), 150e-6), ((3000, 3000), 100e-6), ((1200, 1200), 150e-6)]
)
def test_scans_of_image_plates(shape, pixel):
    ours = detector("mar345", shape=shape)
    assert ours.pixel1 == ours.pixel2 == pixel
    assert ours.mask[0, 0]
    assert not ours.mask[shape[0] // 2, 1]


def test_pixel_sizes_that_a_detector_does_not_have():
    with pytest.raises(GeometryError, match=r"Pilatus2M has pixels of 172 µm or a multiple, not of 240 µm"):
        detector("Pilatus 2M", pixel1=240e-6, pixel2=240e-6)
    with pytest.raises(GeometryError, match=r"RayonixSx165 has pixels of 39.5, 79"):
        detector("MAR165", pixel1=50e-6, pixel2=50e-6)


def test_a_refined_pixel_size_is_kept():
    ours = detector("Pilatus 2M", pixel1=172.3e-6, pixel2=171.9e-6)
    assert (ours.pixel1, ours.pixel2, ours.shape) == (172.3e-6, 171.9e-6, (1679, 1475))


def test_generic():
    ours = detector(pixel1=1e-4, pixel2=2e-4)
    assert ours.shape is None
    fitted = ours.with_shape((3, 5))
    assert fitted.shape == (3, 5)
    assert not fitted.mask.any()
    np.testing.assert_allclose(fitted.centres(1), [1e-4, 3e-4, 5e-4, 7e-4, 9e-4])
    np.testing.assert_allclose(fitted.edges(0), [0, 1e-4, 2e-4, 3e-4], atol=1e-20)
    with pytest.raises(GeometryError, match="needs its pixel size"):
        detector("Detector", pixel1=1e-4)


def test_images_of_another_shape():
    ours = detector("Pilatus 2M")
    assert ours.with_shape((1679, 1475)) is ours
    with pytest.raises(
        GeometryError, match=r"1043 x 981 pixels is not from detector Pilatus2M with 1679 x 1475"
    ):
        ours.with_shape((1043, 981))
    with pytest.raises(GeometryError, match="axes are swapped"):
        ours.with_shape((1475, 1679))
    with pytest.raises(GeometryError, match=r"binned 4 x 4, give pixel1 = 0.000158"):
        detector("MAR165").with_shape((1024, 1024))
    with pytest.raises(GeometryError, match="two numbers of pixels"):
        ours.with_shape((10, 1679, 1475))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pixel1": 0.0}, "pixel1 must be a positive length"),
        ({"pixel2": float("nan")}, "pixel2 must be a positive length"),
        ({"pixel1": "wide"}, "pixel1 must be a positive length"),
        ({"shape": (0, 5)}, "two numbers of pixels"),
        ({"shape": (2.5, 5)}, "two numbers of pixels"),
        ({"shape": 7}, "two numbers of pixels"),
        ({"orientation": 5}, "orientation must be 1, 2, 3 or 4"),
    ],
)
def test_impossible_detectors(arguments, message):
    with pytest.raises(GeometryError, match=message):
        Detector(**{"name": "mine", "pixel1": 1e-4, "pixel2": 1e-4, **arguments})


def test_masks_are_read_only_and_stay_as_stored():
    ours = detector("Pilatus300k", orientation=1)
    assert not ours.mask.flags.writeable
    np.testing.assert_array_equal(ours.mask, detector("Pilatus300k").mask)


def test_invalid_values_of_pilatus():
    ours = detector("Pilatus 2M")
    assert ours.invalid_values(np.int32) == [(-1, -1), (-2, -2)]
    assert ours.invalid_values(np.uint32) == [(2**32 - 1, 2**32 - 1), (2**32 - 2, 2**32 - 2)]
    assert (-2, -2) in ours.invalid_values(np.float32)
    assert ours.invalid_values(np.uint8) == [(255, 255)]


def test_invalid_values_of_eiger():
    ours = detector("Eiger2 9M")
    for bits in (8, 16, 32, 64):
        assert ours.invalid_values(f"u{bits // 8}") == [(2**bits - 1, 2**bits - 1)]
    assert ours.invalid_values(np.int32) == [(-1, -1)]
    low, high = ours.invalid_values(np.float32)[1]
    assert low <= float(np.float32(2**32 - 1)) <= high


def test_detectors_without_invalid_values():
    for name in ("Lambda 750k", "Jungfrau 4M", "Perkin"):
        assert detector(name).invalid_values(np.int32) == []


def test_round_trip_through_json():
    for ours in (
        detector("Pilatus 2M CdTe", orientation=2, sensor=Sensor("CdTe", 1e-3)),
        detector("MAR165", shape=(1024, 1024)),
        detector("Pilatus2M", shape=(195, 487)),
        detector("Eiger", shape=(514, 1030)),
        detector(pixel1=1e-4, pixel2=2e-4),
        Detector("mine", 1e-4, 1e-4, (50, 60), layout=Layout((10, 20), (1, 2)), invalid=(-1,)),
    ):
        assert Detector.from_dict(json.loads(json.dumps(ours.to_dict()))) == ours
        assert pickle.loads(pickle.dumps(ours)) == ours
        assert hash(ours) == hash(Detector.from_dict(ours.to_dict()))


def test_unusable_descriptions():
    with pytest.raises(GeometryError, match="description of a detector is not usable"):
        Detector.from_dict({"name": "Pilatus2M"})


def test_stored_pixel_of_a_position():
    for name in ("Pilatus300k", "Jungfrau"):
        for orientation in (1, 2, 3, 4):
            ours = detector(name, orientation=orientation)
            for axis in (0, 1):
                index = [ours.pixel_at(axis, centre) for centre in ours.centres(axis)]
                np.testing.assert_allclose(index, np.arange(ours.shape[axis]) + 0.5, atol=1e-9)
    assert detector("Jungfrau").pixel_at(0, -75e-6) == pytest.approx(-1.0)
