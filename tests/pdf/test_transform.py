"""The plan: sums against integrals that are known, many patterns at once, requests that cannot be met."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from aureole.errors import GeometryError, SpecError
from aureole.pdf import PDFSpec, PDFTransform
from aureole.pdf.operators import OddPolynomials, below_first, lorch, sine_transform, trapezoid
from aureole.pdf.patterns import Pattern, momentum

Q = np.linspace(0.6, 20.0, 500)


def pattern():
    return 50.0 + 3000.0 * np.exp(-Q / 4.0) * (1.0 + 0.8 * np.sin(2.6 * Q) * np.exp(-Q / 9.0))


def test_sine_transform_of_a_known_function():
    """2/π ∫ q exp(-aq²) sin(qr) dq is r / (2a) / sqrt(πa) exp(-r²/4a)."""
    q, r, a = np.linspace(0.0, 30.0, 4000), np.linspace(0.0, 5.0, 50), 0.05
    found = sine_transform(q, r, trapezoid(q)) @ (q * np.exp(-a * q**2))
    np.testing.assert_allclose(found, r / (2 * a * np.sqrt(np.pi * a)) * np.exp(-(r**2) / (4 * a)), atol=1e-4)


@pytest.mark.parametrize("r", [0.0, 1e-3, 0.009, 0.011, 0.5, 3.0, 12.0])
def test_part_below_the_data(r):
    first = 0.9
    wanted = 2 / np.pi * quad(lambda q: q / first * np.sin(q * r), 0.0, first)[0]
    assert below_first(first, np.array([r]))[0] == pytest.approx(wanted, rel=1e-7, abs=1e-15)


def test_lorch_window_ends_at_qmax():
    assert lorch(np.array([0.0, 10.0, 20.0]), 20.0) == pytest.approx([1.0, 2.0 / np.pi, 0.0], abs=1e-15)


@pytest.mark.parametrize("degree", [0.0, 0.4, 1.0, 3.0, 6.0, 6.7])
def test_polynomials_are_least_squares(degree):
    """Between two whole degrees the two fits are mixed; the plain normal equations are the oracle."""
    weights = trapezoid(Q)
    function = np.sin(3.0 * Q) + 0.1 * Q**1.5

    def fit(powers):
        matrix = (Q[:, None] / 20.0) ** np.arange(1, powers + 1)
        root = np.sqrt(weights)
        found = np.linalg.lstsq(matrix * root[:, None], function * root, rcond=None)[0]
        return matrix @ found if powers else np.zeros_like(Q)

    low, share = int(degree), degree - int(degree)
    wanted = function - (1.0 - share) * fit(low) - share * fit(low + 1)
    polynomials = OddPolynomials(Q, weights, degree)
    np.testing.assert_allclose(polynomials.removed(np.eye(len(Q))) @ function, wanted, atol=1e-8)


def test_high_degrees_keep_their_digits():
    polynomials = OddPolynomials(Q, trapezoid(Q), 25.0)
    for power in (1, 8, 25):
        left = polynomials.removed(np.eye(len(Q))) @ (Q / 20.0) ** power
        assert np.abs(left).max() < 1e-9


@pytest.mark.parametrize(
    "settings",
    [{}, {"window": "lorch"}, {"mode": "physical", "wavelength": 2e-11, "fluorescence": "fit", "rpoly": 0.5}],
)
def test_stages_make_the_same_g(settings):
    """S, F and G of a pattern go together, whichever way they are computed."""
    plan = PDFTransform(PDFSpec("SiO2", qmax=18.0, rmin=1.0, rmax=5.0, **settings), Q)
    stages = plan.stages(pattern())
    inside = stages.q <= 18.0
    q, f = stages.q[inside], stages.f[inside]
    window = lorch(q, 18.0) if "window" in settings else 1.0
    g = sine_transform(q, plan.r, trapezoid(q) * window) @ f
    if settings.get("mode") == "physical":
        g += below_first(q[0], plan.r) * f[0]
    np.testing.assert_allclose(plan(pattern()).g, g, atol=1e-9 * np.abs(g).max())
    np.testing.assert_allclose(stages.f, stages.q * (stages.s - 1.0))


def test_many_patterns_are_each_by_itself():
    plan = PDFTransform(PDFSpec("Ni", rmax=8.0), Q)
    rng = np.random.default_rng(0)
    many = pattern() * rng.uniform(0.5, 2.0, (2, 3, 1)) * rng.normal(1.0, 0.01, (2, 3, len(Q)))
    found = plan(many, many)
    assert found.g.shape == found.sigma.shape == (2, 3, len(plan.r))
    for place in np.ndindex(2, 3):
        alone = plan(many[place], many[place])
        np.testing.assert_allclose(found.g[place], alone.g, atol=1e-12)
        np.testing.assert_allclose(found.sigma[place], alone.sigma, rtol=1e-6, atol=1e-12)
        assert found.scale[place] == pytest.approx(alone.scale)


def test_long_results_are_made_in_blocks(monkeypatch):
    """Whether the matrix is kept or made block by block, the result is one."""
    import aureole.pdf.transform as module

    wanted = PDFTransform(PDFSpec("Ni", rmax=15.0), Q)(pattern(), pattern())
    monkeypatch.setattr(module, "_KEPT_BYTES", 0)
    found = PDFTransform(PDFSpec("Ni", rmax=15.0), Q)(pattern(), pattern())
    np.testing.assert_array_equal(found.g, wanted.g)
    np.testing.assert_array_equal(found.sigma, wanted.sigma)


def test_patterns_without_a_scale_are_nan_and_no_others():
    plan = PDFTransform(PDFSpec("Ni", rmax=8.0, qmin=1.0), Q)
    rows = np.tile(pattern(), (5, 1))
    rows[1, 300] = np.nan
    rows[2] *= -1.0
    rows[3, 3] = np.nan  # below qmin, where nothing is used
    variances = np.abs(rows)
    variances[4] *= 1e8
    found = plan(rows, variances)
    assert np.isfinite(found.g).all(1).tolist() == [True, False, False, True, False]
    assert np.isfinite(found.scale).tolist() == [True, False, False, True, False]
    assert plan.complete(rows).tolist() == [True, False, True, True, True]
    np.testing.assert_allclose(found.g[3], found.g[0], atol=1e-12)
    for row in (1, 2, 4):
        with pytest.raises(SpecError, match="no scale"):
            plan.stages(rows[row], variances[row])


def test_the_scale_of_intensities_does_not_matter():
    for settings in ({}, {"mode": "physical", "wavelength": 2e-11}):
        plan = PDFTransform(PDFSpec("Ni", rmax=8.0, **settings), Q)
        one, other = plan(pattern()), plan(1e6 * pattern())
        np.testing.assert_allclose(one.g, other.g, atol=1e-9)
        assert one.scale == pytest.approx(1e6 * other.scale)


def test_g_is_at_the_distances_asked_for():
    assert PDFSpec("Ni", rmin=0.01, rmax=100.0, rstep=0.01).r.size == 10000
    assert PDFSpec("Ni", rmin=1.0, rmax=2.0, rstep=0.3).r == pytest.approx([1.0, 1.3, 1.6, 1.9])


def test_json_makes_the_same_spec():
    spec = PDFSpec("LaB6", mode="physical", wavelength=2e-11, qmax=20, fluorescence="fit")
    again = PDFSpec.from_json(spec.to_json())
    assert again == spec
    assert hash(again) == hash(spec)
    assert replace(spec, qmax=19.0) != spec


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"composition": "Xx"}, "unknown element"),
        ({"composition": 3}, "must be a formula"),
        ({"mode": "magic"}, "polynomial or physical"),
        ({"window": "hann"}, "none or lorch"),
        ({"rpoly": -0.1}, "cannot be negative"),
        ({"rstep": 0.0}, "above zero"),
        ({"rstep": 1e-6}, "a million"),
        ({"rmin": 5.0, "rmax": 4.0}, "rmin must be below rmax"),
        ({"qmin": 5.0, "qmax": 4.0}, "qmin must be below qmax"),
        ({"qmax": 5.0, "qmaxinst": 4.0}, "qmaxinst cannot be below"),
        ({"rmax": float("nan")}, "must be finite"),
        ({"rmax": "far"}, "must be a number"),
        ({"mode": "physical"}, "needs the wavelength"),
        ({"density": 0.1}, "no use in the mode polynomial"),
        ({"fluorescence": "fit"}, "no use in the mode polynomial"),
        ({"polarization_factor": 0.0}, "no use in the mode polynomial"),
        ({"mode": "physical", "wavelength": 0.7}, "in metres"),
        ({"mode": "physical", "wavelength": 1e-11, "polarization_factor": 2.0}, "between -1 and 1"),
        ({"mode": "physical", "wavelength": 1e-11, "fluorescence": "some"}, "number or 'fit'"),
        ({"mode": "physical", "wavelength": 1e-11, "recoil_power": 4}, "2 or 3"),
    ],
)
def test_impossible_requests(options, said):
    with pytest.raises(SpecError, match=said):
        PDFSpec(**({"composition": "Ni"} | options))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format":"aureole-pdf-1"}', '{"format":"aureole-pdf-1","a":1}']
)
def test_what_is_no_json_of_a_spec(text):
    with pytest.raises(SpecError):
        PDFSpec.from_json(text)


@pytest.mark.parametrize(
    ("q", "options", "said"),
    [
        (Q, {"qmax": 25.0}, "qmax is 25, and the data end at 20"),
        (Q, {"qmaxinst": 25.0}, "qmaxinst is 25, and the data end at 20"),
        (Q, {"qmin": 0.1}, "qmin is 0.1, and the data begin at 0.6"),
        (Q, {"qmin": 19.9}, "points lie between"),
        (Q, {"rpoly": 40.0}, "polynomial of degree"),
        (Q, {"wavelength": 1e-10}, "q of 20 1/Å is beyond backscattering at 1 Å"),
        (Q[::-1], {}, "does not rise"),
        (np.where(Q > 10.0, np.nan, Q), {}, "not finite"),
        (Q[:5], {}, "at least 10 points"),
        (-Q[::-1], {}, "above zero"),
    ],
)
def test_patterns_that_do_not_fit_the_request(q, options, said):
    with pytest.raises(SpecError, match=said):
        PDFTransform(PDFSpec("Ni", **options), q)


def test_shapes_that_do_not_fit():
    with pytest.raises(SpecError, match="background has shape"):
        PDFTransform(PDFSpec("Ni"), Q, np.ones(3))
    with pytest.raises(SpecError, match="background has no value at q = 10"):
        PDFTransform(PDFSpec("Ni"), Q, np.where(Q > 10.0, np.nan, 1.0))
    plan = PDFTransform(PDFSpec("Ni"), Q)
    with pytest.raises(SpecError, match="where q has 500 points"):
        plan(np.ones(3))
    with pytest.raises(SpecError, match="do not fit"):
        plan(np.ones((2, 500)), np.ones(500))
    with pytest.raises(SpecError, match="one pattern is needed"):
        plan.stages(np.ones((2, 500)))


@pytest.mark.parametrize(
    ("unit", "position"),
    [("q_A^-1", 5.0), ("q_nm^-1", 50.0), ("2th_rad", 0.801254), ("2th_deg", 45.90848)],
)
def test_units_of_positions(unit, position):
    assert momentum(np.array([position]), unit, 0.98e-10)[0] == pytest.approx(5.0, rel=1e-3)


def test_positions_that_are_no_q():
    with pytest.raises(GeometryError, match="wavelength"):
        momentum(Q, "2th_deg", None)
    with pytest.raises(SpecError, match="r_mm"):
        momentum(Q, "r_mm", 1e-10)


def test_backgrounds_on_other_points():
    """On straight lines, with the errors that they have; no value beyond the ends."""
    given = Pattern(np.array([1.0, 2.0, 4.0]), np.array([10.0, 20.0, 0.0]), np.array([1.0, 4.0, 4.0]))
    found = given.on(np.array([0.5, 1.0, 1.5, 3.0, 4.0, 4.1]))
    np.testing.assert_allclose(found.intensity, [np.nan, 10.0, 15.0, 10.0, 0.0, np.nan])
    np.testing.assert_allclose(found.variance, [np.nan, 1.0, 1.25, 2.0, 4.0, np.nan])
    assert given.on(given.q).intensity is given.intensity
