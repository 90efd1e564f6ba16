"""Specs: what they refuse, what makes two of them equal, how they survive as JSON."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aureole
from aureole.azimuthal import NamedArray
from aureole.errors import GeometryError, InputError, SpecError
from aureole.geometry import Sensor

SHAPE = (6, 7)
DETECTOR = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE)
GEOMETRY = aureole.Geometry(DETECTOR, 0.1, 0.003, 0.003, wavelength=1e-10)
Q = aureole.Axis("q_nm^-1", 10)
IMAGE = np.arange(42.0).reshape(SHAPE)


def spec_of(**options):
    return aureole.IntegrationSpec(GEOMETRY, **{"radial": Q, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radial": None}, "no axis has bins"),
        ({"radial": aureole.Axis("q_nm^-1", None, (1, 2))}, "no axis has bins"),
        ({"radial": "q_nm^-1"}, "radial axis must be an aureole.Axis"),
        ({"radial": aureole.Axis("chi_deg", 5)}, "chi_deg is azimuthal"),
        ({"azimuthal": Q}, "q_nm.-1 is radial"),
        ({"split": "half"}, "split is 'half': it must be one of no, bbox, pseudo, full"),
        ({"error_model": "gauss"}, "error_model is 'gauss'"),
        ({"chi_discontinuity": 0}, "chi_discontinuity is 0"),
        ({"polarization_factor": 1.5}, "between -1 and 1"),
        ({"polarization_factor": "high"}, "must be a number"),
        ({"polarization_axis_offset": None}, "must be a number"),
        ({"normalization_factor": 0}, "above zero"),
        ({"normalization_factor": np.nan}, "finite"),
        ({"dummy": np.nan}, "NaN is always invalid"),
        ({"delta_dummy": 1.0}, "needs a dummy"),
        ({"dummy": 0, "delta_dummy": -1.0}, "cannot be negative"),
        ({"dark_variance": IMAGE}, "needs a dark"),
        ({"dark": IMAGE, "dark_variance": IMAGE}, "no use with error_model None"),
        ({"dark": IMAGE, "dark_variance": IMAGE, "error_model": "azimuthal"}, "no use with"),
        ({"mask": np.zeros((7, 6))}, r"mask has shape \(7, 6\), the detector has \(6, 7\)"),
        ({"dark": NamedArray("dark.edf", np.zeros(42))}, r"dark dark.edf has shape \(42,\)"),
        ({"flat": np.zeros((2, 6, 7))}, "an image has two axes"),
        ({"flat": np.array([["a"]])}, "an array of numbers is needed"),
        ({"absorption": IMAGE * 1j}, "not of type complex128"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message) as caught:
        spec_of(**options)
    assert "\n" not in str(caught.value)


def test_q_needs_a_wavelength():
    with pytest.raises(GeometryError, match="needs a wavelength"):
        aureole.IntegrationSpec(replace(GEOMETRY, wavelength=None), radial=Q)
    aureole.IntegrationSpec(replace(GEOMETRY, wavelength=None), radial=aureole.Axis("2th_deg", 10))


def test_a_geometry_comes_first():
    with pytest.raises(SpecError, match="a geometry is needed first, not str"):
        aureole.IntegrationSpec("some.poni", radial=Q)
    with pytest.raises(TypeError):
        aureole.IntegrationSpec(GEOMETRY, Q)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": np.ones(SHAPE)}, "every pixel is masked"),
        ({"radial": aureole.Axis("q_nm^-1", 5, (500, 600))}, r"no valid pixel lies in the ranges: q_nm.-1"),
        (
            {"error_model": "poisson", "dark": IMAGE, "dark_variance": IMAGE - 1.0},
            "negative in 1 valid pixel",
        ),
    ],
)
def test_what_a_plan_refuses(options, message):
    with pytest.raises(SpecError, match=message) as caught:
        spec_of(**options).plan("reference")
    assert "\n" not in str(caught.value)


def test_unknown_backend():
    with pytest.raises(SpecError, match="unknown backend 'abacus': known are auto, cpu, opencl, reference"):
        spec_of().plan("abacus")


def test_a_shape_is_needed_and_may_come_with_an_array():
    bare = aureole.Geometry(aureole.detector(pixel1=1e-3, pixel2=1e-3), 0.1, 0.003, 0.003, wavelength=1e-10)
    with pytest.raises(SpecError, match="shape of a frame is not known"):
        aureole.IntegrationSpec(bare, radial=Q).plan("reference")
    with pytest.raises(SpecError, match=r"flat has shape \(2, 2\), the mask has \(6, 7\)"):
        aureole.IntegrationSpec(bare, radial=Q, mask=np.zeros(SHAPE), flat=np.ones((2, 2)))
    plan = aureole.IntegrationSpec(bare, radial=Q, mask=np.zeros(SHAPE)).plan("reference")
    assert plan.shape == SHAPE
    want = spec_of(mask=np.zeros(SHAPE)).plan("reference").integrate(IMAGE)
    np.testing.assert_array_equal(plan.integrate(IMAGE).intensity, want.intensity)


FULL = {
    "azimuthal": aureole.Axis("chi_deg", None, (-90, 90)),
    "split": "full",
    "error_model": "poisson",
    "mask": IMAGE > 30,
    "dummy": -1,
    "delta_dummy": 0.25,
    "saturation": 1e6,
    "dark": NamedArray("file:///dark.edf", IMAGE.astype(np.float32)),
    "dark_variance": IMAGE.astype(np.uint16),
    "flat": IMAGE + 1.0,
    "absorption": 1.0 / (1.0 + IMAGE),
    "solid_angle": False,
    "polarization_factor": 0.1 + 0.2,
    "polarization_axis_offset": 1e-300,
    "normalization_factor": 3,
    "detector_mask": False,
    "chi_discontinuity": "zero",
    "efficiency": False,
}


def test_json_goes_there_and_back():
    spec = spec_of(**FULL)
    given = {named.sha256: named.array for named in spec.arrays.values()}
    again = aureole.IntegrationSpec.from_json(spec.to_json(), given)
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.to_json() == spec.to_json()
    for name, value in vars(spec).items():
        assert getattr(again, name) == value, name
    content = json.loads(spec.to_json())
    assert content["dark"] == {
        "name": "file:///dark.edf",
        "shape": [6, 7],
        "dtype": "float32",
        "sha256": spec.arrays["dark"].sha256,
    }


def test_the_efficiency_is_in_the_digest_where_it_is_corrected(geometry):
    cdte = replace(geometry, detector=replace(geometry.detector, sensor=Sensor("CdTe", 1e-3)))
    unknown = replace(geometry, detector=replace(geometry.detector, sensor=Sensor("CdTe")))
    for each, sensor in ((geometry, None), (unknown, None), (replace(cdte, wavelength=None), None)):
        radial = aureole.Axis("2th_deg", 9)
        on, off = (aureole.IntegrationSpec(each, radial=radial, efficiency=yes) for yes in (True, False))
        assert on.efficiency_of is sensor
        assert on == off
        assert "efficiency" not in json.loads(on.to_json())
    on, off = (aureole.IntegrationSpec(cdte, radial=radial, efficiency=yes) for yes in (True, False))
    assert on.digest != off.digest
    assert json.loads(on.to_json())["efficiency"] == {"material": "CdTe", "thickness": 1e-3}
    assert [aureole.IntegrationSpec.from_json(spec.to_json()) for spec in (on, off)] == [on, off]
    text = on.to_json().replace('"efficiency":{"material":"CdTe"', '"efficiency":{"material":"Si"')
    with pytest.raises(SpecError, match="corrects for a sensor of Si, 1000 µm; its detector has another"):
        aureole.IntegrationSpec.from_json(text)


def test_the_digest_is_pinned():
    """Parts of a run that was killed must be found again by a later version."""
    digest = "5fe49a2b7f8ac0d0dec49b1c4683d6939a269c9660dab1699b06bf073b8cb75e"
    assert spec_of(mask=IMAGE > 30).digest == digest


@pytest.mark.parametrize("name", sorted(FULL.keys() - {"efficiency"}))
def test_every_field_makes_a_difference(name):
    fewer = {key: value for key, value in FULL.items() if key != name}
    if name == "dark":
        fewer["dark"] = np.asarray(FULL["dark"].array)
    if name == "dummy":
        fewer["dummy"] = -2
    if name == "error_model":
        fewer["error_model"] = "poisson_floor"
    assert spec_of(**fewer) != spec_of(**FULL)


@given(
    factor=st.floats(1e-300, 1e300),
    bounds=st.lists(st.floats(0.0, 1e9, allow_subnormal=False), min_size=2, max_size=2, unique=True),
)
def test_numbers_keep_all_their_digits(factor, bounds):
    low, high = sorted(bounds)
    spec = spec_of(radial=aureole.Axis("2th_deg", 3, (low, high)), normalization_factor=factor)
    again = aureole.IntegrationSpec.from_json(spec.to_json())
    assert again.normalization_factor == factor
    assert again.radial.range == (low, high)
    assert again == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("[]", "no integration spec"),
        ('{"format": "other"}', "no integration spec"),
        ('{"format": "aureole-integration-1"}', "lacks a geometry"),
        (spec_of().to_json().replace('"split"', '"splat"'), "unknown fields: splat"),
        (spec_of().to_json().replace('"bins":10', '"bans":10'), "broken field 'radial'"),
        (
            spec_of(mask=IMAGE).to_json(),
            r"the array mask of the spec \(SHA-256 [0-9a-f]{12}…\) was not given",
        ),
    ],
)
def test_broken_json(text, message):
    with pytest.raises(InputError, match=message) as caught:
        aureole.IntegrationSpec.from_json(text)
    assert "\n" not in str(caught.value)


def test_another_array_is_not_taken_for_the_one_that_was_meant():
    spec = spec_of(flat=IMAGE + 1.0)
    sha = spec.arrays["flat"].sha256
    with pytest.raises(SpecError, match="the array given for flat is another one"):
        aureole.IntegrationSpec.from_json(spec.to_json(), {sha: IMAGE})


def test_arrays_are_kept_as_they_were():
    flat = IMAGE + 1.0
    spec = spec_of(flat=flat, mask=IMAGE.astype(np.int8))
    flat[:] = 7.0
    assert spec.arrays["flat"].array[0, 0] == 1.0
    assert not spec.arrays["flat"].array.flags.writeable
    assert spec.arrays["mask"].array.dtype == bool
    with pytest.raises(ValueError, match="read-only"):
        spec.arrays["flat"].array[0, 0] = 2.0
    assert flat.flags.writeable


def test_arrays_are_equal_by_content_not_by_layout():
    assert NamedArray("a", np.asfortranarray(IMAGE)) == NamedArray("a", IMAGE)
    assert NamedArray("a", IMAGE.astype(">f8")) == NamedArray("a", IMAGE)
    assert NamedArray("a", IMAGE) != NamedArray("b", IMAGE)
    assert NamedArray("a", IMAGE) != NamedArray("a", IMAGE.astype(np.float32))
    assert spec_of(mask=IMAGE) == spec_of(mask=IMAGE != 0)


def test_specs_travel_to_other_processes():
    spec = spec_of(**FULL)
    again = pickle.loads(pickle.dumps(spec))
    assert again == spec
    np.testing.assert_array_equal(again.arrays["flat"].array, IMAGE + 1.0)


def test_plans_travel_as_their_spec():
    plan = spec_of(**FULL).plan("reference")
    data = pickle.dumps(plan)
    again = pickle.loads(data)
    assert (again.spec, again.backend, again.digest) == (plan.spec, plan.backend, plan.digest)
    assert len(data) < 2 * len(pickle.dumps(plan.spec))


@pytest.mark.parametrize("name", ["mask", "dark", "flat"])
def test_masked_arrays_are_not_read(name):
    with pytest.raises(SpecError, match=f"{name}: masked arrays are not read"):
        spec_of(**{name: np.ma.masked_less(IMAGE, 3)})


def test_frozen():
    with pytest.raises(AttributeError):
        spec_of().split = "no"
