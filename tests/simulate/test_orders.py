"""Which frame is where."""

import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.simulate import MapScan, XrdctScan


def visited(scan):
    places = {name: np.round(values, 9) for name, values in scan.positions.items()}
    return list(zip(*(values.tolist() for values in places.values()), strict=True))


def tomogram(**options):
    return XrdctScan(**{"translations": 3, "angles": 2, "step": 1.0, **options})


def test_translation_first():
    assert visited(tomogram()) == [(0, 0), (0, 1), (0, 2), (90, 0), (90, 1), (90, 2)]


def test_rotation_first():
    assert visited(tomogram(order="rotation-first")) == [(0, 0), (90, 0), (0, 1), (90, 1), (0, 2), (90, 2)]


def test_zigzag():
    assert visited(tomogram(zigzag=True)) == [(0, 0), (0, 1), (0, 2), (90, 2), (90, 1), (90, 0)]
    both = tomogram(zigzag=True, order="rotation-first")
    assert visited(both) == [(0, 0), (90, 0), (90, 1), (0, 1), (0, 2), (90, 2)]


def test_interlaced_angles():
    scan = tomogram(angles=7, translations=2, interlaced=3, angle_range=70.0)
    assert [place[0] for place in visited(scan)[::2]] == [0, 30, 60, 10, 40, 20, 50]


def test_layers_come_one_after_the_other():
    scan = tomogram(layers=2, zigzag=True)
    places = visited(scan)
    assert [place[2] for place in places] == [0] * 6 + [1] * 6
    assert [place[:2] for place in places[:6]] == [place[:2] for place in places[6:]]


def test_a_map():
    scan = MapScan(rows=2, columns=3, zigzag=True, step=1.0)
    assert visited(scan) == [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0)]


@pytest.mark.parametrize(("order", "passes"), [("translation-first", 2), ("rotation-first", 1)])
def test_every_order_sees_every_ray_once(order, passes):
    plain = tomogram(translations=5, angles=6, wander=0.3)
    other = tomogram(translations=5, angles=6, wander=0.3, order=order, zigzag=True, interlaced=passes)

    def rays(scan):
        return sorted(zip(*(np.round(one, 9) for one in scan.rays[1]), strict=True))

    assert rays(plain) == rays(other)


def test_what_moves_during_an_exposure_is_averaged_about_the_middle():
    still, sliding, turning = (
        tomogram(continuous=continuous, order=order)
        for continuous, order in (
            (False, "translation-first"),
            (True, "translation-first"),
            (True, "rotation-first"),
        )
    )
    distance, angle = np.array(sliding.rays).transpose(1, 0, 2)
    np.testing.assert_allclose(distance.mean(axis=0), np.mean([d for d, _ in still.rays], axis=0))
    assert np.ptp(distance[:, 0]) > 1.0
    assert (angle == angle[0]).all()
    assert (sliding.turning == 0).all()
    distance, angle = np.array(turning.rays).transpose(1, 0, 2)
    np.testing.assert_allclose(np.degrees(angle.mean(axis=0)), turning.rotation, atol=1e-12)
    assert np.ptp(np.degrees(angle[:, 0])) == pytest.approx(0.75 * 90)
    assert (turning.turning == 90).all()


def test_backlash_moves_lines_that_run_backwards():
    clean, loose = (tomogram(zigzag=True, backlash=backlash) for backlash in (0.0, 0.4))
    moved = loose.rays[0][0] - clean.rays[0][0]
    np.testing.assert_allclose(moved, [0, 0, 0, 0.4, 0.4, 0.4])
    assert visited(clean) == visited(loose)


def test_the_axis_wanders_as_much_as_it_is_told():
    scan = tomogram(translations=60, angles=90, wander=0.2)
    off = scan.centers - scan.rotation_center
    assert np.sqrt(np.mean(off**2)) == pytest.approx(0.2)
    assert abs(off.mean()) < 1e-12
    assert (tomogram(angles=5).centers == tomogram().rotation_center).all()


def test_half_acquisition_reaches_twice_as_far():
    scan = tomogram(translations=40, angles=80, half_acquisition=True)
    assert scan.rotation_center == pytest.approx(6.0)
    assert scan.turned == 360.0
    assert scan.radius == pytest.approx(0.9 * 33.5)
    assert scan.size >= 2 * scan.radius


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"translations": 1}, "two translations and two angles"),
        ({"layers": 0}, "at least one"),
        ({"interlaced": 3}, "3 interlaced passes over 2 places"),
        ({"interlaced": 0}, "interlaced passes"),
        ({"order": "diagonal"}, "unknown order 'diagonal'"),
        ({"angle_range": 0.0}, "must span up to 360"),
        ({"angle_range": np.nan}, "must span up to 360"),
        ({"center": 3.0}, "outside the translations, 0 to 2"),
        ({"wander": -1.0}, "wander"),
        ({"step": 0.0}, "step"),
        ({"seed": -1}, "seed"),
    ],
)
def test_scans_that_cannot_be(wrong, message):
    with pytest.raises(SpecError, match=message):
        tomogram(**wrong)


@pytest.mark.parametrize("wrong", [{"rows": 1}, {"step": np.inf}, {"interlaced": 9}, {"layers": 0}])
def test_maps_that_cannot_be(wrong):
    with pytest.raises(SpecError):
        MapScan(**{"rows": 4, "columns": 5, **wrong})
