"""Real LaB6 against what PDFgetX3 and Gudrun made of it."""

import numpy as np
import pytest

from aureole.pdf import Composition, PDFSpec, PDFTransform
from aureole.pdf.patterns import momentum
from aureole.pdf.scattering import averages, polarization, recoil

from .conftest import LAB6, WAVELENGTH, columns
from .structures import rw

DENSITY = 0.0975
"""Atoms in a cubic Å, in the settings of Gudrun."""


def plan(patterns, **settings):
    angles, _, _, capillary, error = patterns
    return PDFTransform(
        PDFSpec("LaB6", **settings),
        momentum(angles, "2th_deg", WAVELENGTH),
        capillary,
        background_variance=error**2,
    )


def test_each_stage_of_pdfgetx3(patterns, reference):
    _, sample, error, _, _ = patterns
    made = plan(patterns, **reference.settings)
    stages = made.stages(sample, error**2)
    for ending, values, most in (("sq", stages.s, 3e-4), ("fq", stages.f, 1.5e-3)):
        q, wanted = reference.read(ending)
        assert rw(np.interp(q, stages.q, values), wanted) < most
    r, wanted = reference.read("gr")
    found = made(sample, error**2)
    np.testing.assert_allclose(found.r, r, atol=1e-9)
    assert rw(found.g, wanted) < 0.005
    near = r < 30.0
    assert rw(found.g[near], wanted[near]) < 0.0015
    assert np.all(found.sigma[r > 0.1] > 0.0)


def test_background_subtraction_of_pdfgetx3(patterns, lab6):
    _, sample, _, _, _ = patterns
    q, wanted = columns(lab6 / f"{LAB6}.iq")
    stages = plan(patterns, qmin=0.8, qmax=23.0, qmaxinst=23.0).stages(sample)
    inside = (q > stages.q[0]) & (q < stages.q[-1])
    assert rw(np.interp(q, stages.q, stages.i)[inside], wanted[inside]) < 1e-6


def gudrun(lab6):
    """Return q and S(q) - 1 of Gudrun. Its file has the positions half a step too low: 0.0025 1/Å."""
    q, s, _ = columns(lab6 / "Xray" / f"{LAB6}.soq")
    return q + 0.0025, s


def test_ingredients_of_gudrun(patterns, lab6):
    """With its scale and level of fluorescence, two numbers, S(q) is that of Gudrun, bin by bin."""
    angles, sample, _, capillary, _ = patterns
    at = momentum(angles, "2th_deg", WAVELENGTH)
    q, wanted = gudrun(lab6)
    inside = (q > 0.82) & (q < 17.9)
    q, wanted = q[inside], wanted[inside]
    mean = averages(Composition.parse("LaB6"), q)
    polarized = polarization(q, WAVELENGTH, 1.0)
    intensity = np.interp(q, at, sample - capillary) / polarized / mean.f**2
    independent = (mean.f2 + mean.compton * recoil(q, WAVELENGTH, 2)) / mean.f**2
    columns_ = np.stack([intensity, -1.0 / polarized / mean.f**2], axis=1)
    found = columns_ @ np.linalg.lstsq(columns_, wanted + independent, rcond=None)[0] - independent
    assert rw(found, wanted) < 0.004


def test_normalisation_and_g_of_gudrun(patterns, lab6):
    """From its settings alone. What it smooths in its own way, a top hat, the polynomial does here."""
    _, sample, error, _, _ = patterns
    settings = {"mode": "physical", "wavelength": WAVELENGTH, "qmin": 0.8, "qmax": 18.0, "density": DENSITY}
    made = plan(patterns, **settings, polarization_factor=1.0, fluorescence=38.17)
    found = made(sample, error**2)
    # Of Gudrun's own scale, which the fit of the two numbers above finds.
    assert found.scale == pytest.approx(0.9145, rel=0.03)
    smooth = plan(patterns, **settings, polarization_factor=1.0, fluorescence=38.17, rpoly=1.0, rmin=1.0)
    stages = smooth.stages(sample)
    r, wanted, _ = columns(lab6 / "Xray" / f"{LAB6}.dofr")
    near = (r > 1.0) & (r < 30.0)
    x = stages.q * 0.19
    broadened = 3.0 * (np.sin(x) - x * np.cos(x)) / x**3
    g = 2.0 / np.pi * np.sin(np.outer(r[near], stages.q)) @ (np.gradient(stages.q) * broadened * stages.f)
    assert rw(g, wanted[near]) < 0.09


def test_first_distances_of_lab6(patterns):
    """La-B, La-La and along the face diagonal, for a cell of 4.1569 Å."""
    _, sample, _, _, _ = patterns
    found = plan(patterns, qmin=0.8, qmax=23.0, rpoly=1.3)(sample)
    for wanted in (4.1569, 4.1569 * np.sqrt(2), 4.1569 * np.sqrt(3)):
        near = np.abs(found.r - wanted) < 0.3
        assert found.r[near][np.argmax(found.g[near])] == pytest.approx(wanted, abs=0.08)
