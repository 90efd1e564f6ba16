"""Detectors that move: formulas, files, refinement, and pyFAI as the oracle."""

from dataclasses import replace

import numpy as np
import pytest

import aureole
from aureole.calibration import (
    Formulas,
    Function,
    Goniometer,
    RingPoints,
    View,
    calibrant,
    calibrate_goniometer,
    refine_goniometer,
)
from aureole.calibration.formula import Formula
from aureole.calibration.rings import points_at
from aureole.calibration.scattering import ring_angles
from aureole.errors import CalibrationError, FormatError, GeometryError, InputError, SpecError

WAVELENGTH = 1e-10
DETECTOR = aureole.detector("Pilatus100k")
ARM = {"dist": "dist", "poni1": "poni1", "poni2": "poni2", "rot1": "rot1", "rot2": "scale*(pos+offset)"}
TRUTH = {"dist": 0.5, "poni1": 0.017, "poni2": 0.042, "rot1": 0.01, "scale": -np.pi / 180, "offset": 0.3}
FREE = ("dist", "poni2", "rot1", "scale", "offset")
POSITIONS = np.linspace(22.0, 60.0, 14)
LAB6 = calibrant("LaB6")
SPACINGS = LAB6.d_spacings(WAVELENGTH / 2.0)


def arm(**values):
    return Goniometer(DETECTOR, Formulas(ARM), {**TRUTH, **values}, WAVELENGTH)


def control_points(goniometer, positions, rng, *, noise=2e-5):
    """Points where rings cross the detector, off by Gaussian errors of their 2θ (rad)."""
    views = []
    for position in positions:
        geometry = goniometer.geometry(position)
        two_theta, chi = geometry.center_array("2th_rad"), geometry.center_array("chi_rad")
        rings, _ = ring_angles(SPACINGS, geometry.wavelength)
        seen = [k for k, angle in enumerate(rings) if two_theta.min() < angle < two_theta.max()]
        points, numbers = [], []
        for ring in seen:
            near = chi[np.abs(two_theta - rings[ring]) < 5e-4]
            around = np.linspace(near.min(), near.max(), 30)
            errors = rng.normal(0.0, noise, 30)
            points.append(points_at(geometry, rings[ring] + errors, around, None))
            numbers += [ring] * 30
        points = np.concatenate([np.zeros((0, 3)), *points])
        views.append(
            View(
                RingPoints(points, np.array(numbers, int), np.full(len(points), noise)),
                np.atleast_1d(float(position)),
            )
        )
    return views


def powder_image(geometry, seed, *, peak=400.0, width=3.0):
    """Rings of LaB6 upon a flat background, counted."""
    two_theta = geometry.center_array("2th_rad")
    spread = width * geometry.detector.pixel1 / geometry.dist / 2.355
    rings, _ = ring_angles(SPACINGS, geometry.wavelength)
    expected = np.full(two_theta.shape, 20.0)
    for ring in rings:
        expected += peak * np.exp(-0.5 * np.square((two_theta - ring) / spread))
    return np.random.default_rng(seed).poisson(expected * geometry.solid_angle()).astype(np.int32)


# formulas


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2*x - y/4", 2 * 0.7 - 0.5),
        ("-x**2 + 3", 3 - 0.49),
        ("sin(x)*cos(y) + tan(x)", np.sin(0.7) * np.cos(2.0) + np.tan(0.7)),
        ("arctan2(x, y) + arcsin(x) + arccos(x) + arctan(y)", None),
        ("sqrt(y) + exp(x) + expm1(x) + log(y) + log10(y) + log1p(y) + abs(-x)", None),
        ("sinh(x) + cosh(x) + tanh(x) + arcsinh(y) + arccosh(y) + arctanh(x)", None),
        ("x ** y + y ** x / (x + 1)", None),
    ],
)
def test_formulas_and_their_derivatives(text, value):
    numexpr = pytest.importorskip("numexpr")
    formula, known = Formula(text), {"x": 0.7, "y": 2.0}
    found, slopes = formula(known, ("x", "y"))
    assert found == pytest.approx(float(numexpr.evaluate(text, known)), rel=1e-12)
    assert value is None or found == pytest.approx(value, rel=1e-14)
    for index, name in enumerate(known):
        ends = [formula({**known, name: known[name] + step})[0] for step in (1e-6, -1e-6)]
        assert slopes[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "x.real",
        "x[0]",
        "[x for x in y]",
        "lambda: 1",
        "open(x)",
        "eval(x)",
        "sin(x, y)",
        "sin(x=1)",
        "(sin)(x)(y)",
        "x if y else 1",
        "x and y",
        "x < y",
        "'a'",
        "True",
        "1j",
        "x := 1",
        "x = 1",
        "f'{x}'",
        "",
        "(" * 400 + "x" + ")" * 400,
        "-" * 900 + "x",
        "x" * 1001,
        "9**9**9**9**9",
        "1" + "0" * 400,
    ],
)
def test_formulas_cannot_run_code(text):
    with pytest.raises(SpecError) as error:
        Formula(text)({"x": 1.0, "y": 1.0, "sin": 1.0})
    assert "\n" not in str(error.value)


def test_a_formula_without_a_finite_value_says_where():
    with pytest.raises(SpecError, match=r"rot2 = 'arcsin\(pos\)' has no finite value at pos = 2"):
        Goniometer(
            DETECTOR, Formulas({**ARM, "rot2": "arcsin(pos)"}), {k: TRUTH[k] for k in list(TRUTH)[:4]}
        ).geometry(2.0)


# transformations and goniometers


def test_names_are_told_apart():
    rule = Formulas({**ARM, "rot2": "tth*pi/180 + off", "poni1": "poni1 + z*1e-3"}, ("tth", "z"))
    assert rule.parameters == ("dist", "poni1", "poni2", "rot1", "off")
    with pytest.raises(SpecError, match=r"rot2 = scale.*'scale' is neither a parameter .* nor a motor"):
        Formulas(ARM, ("pos",), ("dist", "poni1", "poni2", "rot1", "offset"))
    with pytest.raises(SpecError, match="'pi' is the name of two things"):
        Formulas(ARM, ("pi",))
    with pytest.raises(SpecError, match="no formula for dist"):
        Formulas({"rot2": "pos"})
    with pytest.raises(SpecError, match="nothing called 'tilt'"):
        Formulas({**ARM, "tilt": "pos"})
    with pytest.raises(SpecError, match="'offset' has no value"):
        Goniometer(DETECTOR, Formulas(ARM), {k: v for k, v in TRUTH.items() if k != "offset"})


def test_positions_by_order_and_by_name():
    rule = Formulas({**ARM, "poni1": "poni1 + z*1e-3"}, ("pos", "z"))
    moving = Goniometer(DETECTOR, rule, TRUTH, WAVELENGTH)
    assert moving.geometry((10.0, 2.0)) == moving.geometry({"z": 2.0, "pos": 10.0})
    assert moving.geometry((10.0, 2.0)).poni1 == pytest.approx(0.019)
    with pytest.raises(SpecError, match="one finite number for each of pos, z"):
        moving.geometry(10.0)
    with pytest.raises(SpecError, match="no position of the motor 'z'"):
        moving.geometry({"pos": 1.0})
    outside = Goniometer(DETECTOR, Formulas({**ARM, "dist": "dist - pos"}), TRUTH, WAVELENGTH)
    with pytest.raises(GeometryError, match=r"dist must be a positive length.*at pos = 10"):
        outside.geometry(10.0)


def test_a_function_does_as_formulas_do(rng):
    def where(dist, poni1, poni2, rot1, scale, offset, pos):
        return {"dist": dist, "poni1": poni1, "poni2": poni2, "rot1": rot1, "rot2": scale * (pos + offset)}

    by_function = replace(arm(), transformation=Function(where, tuple(TRUTH)))
    formulas = Formulas(ARM, parameters=tuple(TRUTH))
    assert by_function.geometry(20.0) == replace(arm(), transformation=formulas).geometry(20.0)
    values = np.array(list(TRUTH.values()))
    for found, wanted in zip(
        by_function.transformation.numbers(values, np.array([20.0])),
        formulas.numbers(values, np.array([20.0])),
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-8)
    with pytest.raises(SpecError, match="a function cannot be written"):
        by_function.to_json()


# files


@pytest.mark.parametrize("energy", [False, True])
def test_files_go_both_ways_with_pyfai(tmp_path, energy):
    theirs = pytest.importorskip("pyFAI.goniometer").Goniometer
    formulas = {**ARM, "wavelength": "hc/energy*1e-10"} if energy else ARM
    values = {**TRUTH, "energy": 12.4} if energy else TRUTH
    mine = Goniometer(DETECTOR, Formulas(formulas), values, None if energy else WAVELENGTH)
    mine.save(tmp_path / "ours.json")
    assert Goniometer.load(tmp_path / "ours.json").geometry(33.0) == mine.geometry(33.0)
    other = theirs.sload(str(tmp_path / "ours.json"))
    other.save(str(tmp_path / "theirs.json"))
    back = Goniometer.load(tmp_path / "theirs.json")
    for name in ("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength"):
        wanted = getattr(mine.geometry(33.0), name)
        assert getattr(other.get_ai(33.0), name) == pytest.approx(wanted, rel=1e-14)
        assert getattr(back.geometry(33.0), name) == pytest.approx(wanted, rel=1e-14)
    assert back.detector == DETECTOR
    assert back.values == mine.values


def test_files_of_version_1_1():
    text = """{"content": "Goniometer calibration v1.1", "detector": "Pilatus 100k", "pixel1": 0.000172,
        "pixel2": 0.000172, "wavelength": 1e-10, "param": [0.5, 0.01], "param_names": ["d", "s"],
        "pos_names": ["p"], "trans_function": {"param_names": ["d", "s"], "pos_names": ["p"],
        "dist_expr": "d", "poni1_expr": "0.0", "poni2_expr": "0.0", "rot1_expr": "0.0",
        "rot2_expr": "s*p", "rot3_expr": "pi/2", "constants": {"pi": 3.141592653589793}}}"""
    found = Goniometer.from_json(text)
    assert found.detector == DETECTOR
    assert (found.geometry(3.0).rot2, found.geometry(3.0).rot3) == pytest.approx((0.03, np.pi / 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("{", "["), "is no JSON text"),
        (("Goniometer calibration v2", "PONI"), "is no goniometer file"),
        (("trans_function", "rule"), "no trans_function"),
        (("GeometryTransformation", "Magic"), "of the kind 'Magic'"),
        (("scale*(pos+offset)", "scale*(pos+of())"), "of is not known"),
        (("scale*(pos+offset)", "scale*(pos+other)"), "'other' is neither"),
        (('"Pilatus100k"', '"Pilatux"'), "its detector: "),
        (("    0.5,", "    NaN,"), "is no JSON text"),
        (("    0.5,", '    "far",'), "dist must be a finite number"),
        (("    0.5,", ""), "param must be 6 numbers"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, change, message):
    path = tmp_path / "gonio.json"
    text = arm().to_json()
    assert change[0] in text or change[0] == "    0.5,"
    path.write_text(text.replace(*change) if change[0] != "{" else "[" + text, encoding="utf-8")
    with pytest.raises(FormatError, match=message) as error:
        Goniometer.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        Goniometer.load(tmp_path / "none.json")


# refinement


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_parameters_come_back_within_their_errors(rng):
    start = arm(dist=0.505, poni2=0.0425, rot1=0.0, scale=-0.0175, offset=0.2)
    pulls = []
    for _ in range(12):
        fit = refine_goniometer(start, control_points(arm(), POSITIONS, rng), SPACINGS, free=FREE)
        values = fit.goniometer.values
        pulls.append([(values[name] - TRUTH[name]) / fit.uncertainty[name] for name in FREE])
        assert fit.scale == pytest.approx(1.0, abs=0.12)
    pulls = np.array(pulls)
    assert 0.6 < pulls.std() < 1.4
    assert np.abs(pulls).max() < 4.5
    assert fit.correlation[FREE.index("poni2"), FREE.index("rot1")] > 0.9


def test_outliers_do_not_count(rng):
    views = control_points(arm(), POSITIONS, rng)
    for view in views:
        view.points.points[::9] += 0.004
    fit = refine_goniometer(arm(offset=0.2), views, SPACINGS, free=FREE)
    assert fit.goniometer.values["offset"] == pytest.approx(0.3, abs=5 * fit.uncertainty["offset"])
    assert np.mean(fit.weights == 0.0) == pytest.approx(1 / 9, abs=0.03)


def test_agrees_with_pyfai_on_the_same_points(rng):
    gonio = pytest.importorskip("pyFAI.goniometer")
    from pyFAI.calibrant import get_calibrant

    views = control_points(arm(), POSITIONS[::2], rng)
    start = arm(offset=0.29, dist=0.501)
    rule = gonio.GeometryTransformation(
        *(ARM.get(f"{name}", "0.0") for name in ("dist", "poni1", "poni2", "rot1", "rot2", "rot3")),
        param_names=list(start.values),
        pos_names=["pos"],
    )
    theirs = gonio.GoniometerRefinement(
        list(start.values.values()),
        pos_function=lambda position: position,
        trans_function=rule,
        detector="Pilatus100k",
        wavelength=WAVELENGTH,
        bounds={"poni1": (0.017, 0.017)},
    )
    lab6 = get_calibrant("LaB6", WAVELENGTH)
    d = np.array(lab6.dspacing) * 1e-10
    for index, view in enumerate(views):
        single = theirs.new_geometry(str(index), metadata=float(view.position[0]), calibrant=lab6)
        rings = [int(np.argmin(np.abs(d - SPACINGS[ring]))) for ring in view.points.rings]
        rows = np.column_stack((view.points.points[:, :2] / 172e-6 - 0.5, rings))
        single.geometry_refinement.data = rows
    for _ in range(3):
        theirs.refine3(fix=["poni1"], method="slsqp", verbose=False, ftol=1e-30, eps=1e-9, maxiter=500)
    mine = refine_goniometer(start, views, SPACINGS, free=FREE, robust=False)
    values = list(mine.goniometer.values.values())
    mine_cost, their_cost = theirs.chi2(values), theirs.chi2(theirs.param)
    assert mine_cost <= their_cost * (1.0 + 1e-6)
    their_values = dict(zip(start.values, theirs.param, strict=True))
    for name in ("dist", "scale", "offset"):
        assert abs(their_values[name] - mine.goniometer.values[name]) < mine.uncertainty[name]


def test_the_wavelength_may_be_free(rng):
    formulas = Formulas({**ARM, "wavelength": "hc/energy*1e-10"})
    truth = Goniometer(DETECTOR, formulas, {**TRUTH, "energy": 12.4})
    start = truth.with_values({"energy": 12.43, "dist": 0.502})
    fit = refine_goniometer(
        start, control_points(truth, POSITIONS, rng), SPACINGS, free=("dist", "energy", "offset", "scale")
    )
    assert fit.goniometer.values["energy"] == pytest.approx(12.4, abs=5 * fit.uncertainty["energy"])
    assert fit.uncertainty["energy"] < 0.01


def test_bounds_hold(rng):
    views = control_points(arm(), POSITIONS, rng)
    fit = refine_goniometer(
        arm(offset=0.1), views, SPACINGS, free=FREE, bounds={"offset": (None, 0.25), "dist": (0.4, 0.6)}
    )
    assert fit.goniometer.values["offset"] == 0.25
    assert fit.at_bound == ("offset",)
    assert np.isinf(fit.uncertainty["offset"])
    with pytest.raises(SpecError, match=r"offset begins at 0\.3, outside of its bounds"):
        refine_goniometer(arm(), views, SPACINGS, bounds={"offset": (None, 0.25)})
    with pytest.raises(SpecError, match="'tilt' has bounds and is no parameter"):
        refine_goniometer(arm(), views, SPACINGS, bounds={"tilt": (0, 1)})


def test_what_cannot_be_refined_is_said(rng):
    views = control_points(arm(), POSITIONS[:2], rng)
    with pytest.raises(SpecError, match=r"not 'tilt'|not tilt"):
        refine_goniometer(arm(), views, SPACINGS, free=("tilt",))
    with pytest.raises(SpecError, match="not nothing"):
        refine_goniometer(arm(), views, SPACINGS, free=())
    few = [View(RingPoints(np.zeros((2, 3)), np.zeros(2, int), np.ones(2)), np.array([12.0]))]
    with pytest.raises(SpecError, match="2 points do not determine 5 parameters"):
        refine_goniometer(arm(), few, SPACINGS, free=FREE)


# images


@pytest.fixture(scope="module")
def images():
    return [powder_image(arm().geometry(position), seed) for seed, position in enumerate(POSITIONS)]


def test_from_images_to_parameters(images):
    start = arm(dist=0.503, poni2=0.0418, rot1=0.0, scale=-0.01745, offset=0.1)
    result = calibrate_goniometer(images, POSITIONS, start, calibrant=LAB6, free=FREE)
    for name, error in result.fit.uncertainty.items():
        assert result.goniometer.values[name] == pytest.approx(TRUTH[name], abs=4.5 * error)
    assert result.fit.uncertainty["dist"] < 2e-5
    assert result.fit.uncertainty["offset"] < 1e-3
    seen = [image for image in result.images if image is not None]
    assert len(seen) > 10
    for image in seen:
        for ring in image.rings:
            assert abs(ring.mean) < 0.05 * ring.pixel
            assert ring.rms < 0.15 * ring.pixel


def test_a_start_that_is_far_off(images):
    start = arm(dist=0.52, offset=-1.4)  # some 100 pixels
    result = calibrate_goniometer(images[::2], POSITIONS[::2], start, calibrant=LAB6, free=("dist", "offset"))
    assert result.goniometer.values["dist"] == pytest.approx(0.5, abs=1e-4)
    assert result.goniometer.values["offset"] == pytest.approx(0.3, abs=2e-3)


def test_images_that_do_not_fit_are_refused(images):
    some = slice(8, 10)
    with pytest.raises(CalibrationError, match=r"do not fit|no rings near"):
        calibrate_goniometer(images[some], POSITIONS[some] + 4.0, arm(), calibrant=LAB6, free=("dist",))
    with pytest.raises(CalibrationError, match=r"do not fit|no rings near"):
        calibrate_goniometer(images[some], POSITIONS[some], arm(), calibrant=calibrant("CeO2"), free=FREE)
    blank = [np.zeros(DETECTOR.shape, np.int32)] * 3
    with pytest.raises(CalibrationError, match="no rings near to where they should be on any of the 3"):
        calibrate_goniometer(blank, [20.0, 30.0, 40.0], arm(), calibrant=LAB6)
    with pytest.raises(SpecError, match="2 positions for 3 images"):
        calibrate_goniometer(blank, [20.0, 30.0], arm(), calibrant=LAB6)
    with pytest.raises(CalibrationError, match=r"do not tell .*scale"):
        calibrate_goniometer(
            images[8:9], POSITIONS[8:9], arm(), calibrant=LAB6, free=("dist", "scale", "offset")
        )
