"""Tables along the coordinates of a sample: against the slow twin, the missing wedge, and what specs say."""

from dataclasses import replace

import numpy as np
import pytest

import aureole
from aureole import Axis, Geometry, IntegrationSpec, Sample, detector
from aureole.azimuthal.table import MODES, build_entries
from aureole.errors import SpecError
from aureole.geometry.surface import Hexagons
from aureole.kernels.reference_split import Binned, Pixels, split

SAMPLE = Sample(0.2, 0.05)
SMALL = Geometry(
    detector(pixel1=1e-3, pixel2=1.2e-3, shape=(11, 14)), 0.02, 0.0013, 0.0081, 0.01, -0.02, wavelength=1e-10
)
HEXAGONS = replace(SMALL, detector=replace(SMALL.detector, surface=Hexagons()))
PAIRS = [
    ("qip_nm^-1", "qoop_nm^-1"),
    ("qtot_nm^-1", "chigi_deg"),
    ("exit_angle_horz_deg", "exit_angle_vert_deg"),
    ("qxgi_A^-1", "qzgi_A^-1"),
    ("p2_m", "p1_m"),
    ("qip_nm^-1", None),
    (None, "chigi_deg"),
    (None, "qoop_nm^-1"),
]
BESIDE = {"qip_nm^-1": "qoop_nm^-1", "qoop_nm^-1": "qxgi_nm^-1", "chigi_deg": "r_m"}


def needed(*names):
    return SAMPLE if any(aureole.units.unit(name).needs_sample for name in names) else None


def axes(rho, chi, bins=(9, 7)):
    return [None if name is None else Axis(name, n) for name, n in zip((rho, chi), bins, strict=True)]


def on_one_side(geometry, name):
    """Coordinates of centres and corners; a pixel is on the side that its centre is on."""
    centre, corner = (
        getattr(geometry, f"{at}_array")(name, sample=needed(name)) for at in ("center", "corner")
    )
    if name.startswith(("qip", "chigi")):
        corner = np.copysign(corner, centre[..., None])
    return centre, corner


@pytest.mark.parametrize("geometry", [SMALL, HEXAGONS], ids=["squares", "hexagons"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("rho", "chi"), PAIRS)
def test_the_table_is_that_of_the_twin(geometry, mode, rho, chi):
    radial, azimuthal = axes(rho, chi)
    names = rho or BESIDE[chi], chi or BESIDE[rho]
    table = build_entries(geometry, radial, azimuthal, split=mode, sample=needed(*names))
    (x, x_corner), (y, y_corner) = (on_one_side(geometry, name) for name in names)
    boxed = mode in ("no", "bbox")
    pixels = Pixels(
        mask=np.zeros(geometry.shape, bool),
        radial_centre=x if rho and boxed else None,
        radial_vertex=x_corner,
        azimuthal_centre=y if chi and boxed else None,
        azimuthal_vertex=y_corner if chi or not boxed else None,
        period=360.0 if names[1] == "chigi_deg" else np.inf,
        radius=names[0] in ("qtot_nm^-1", "r_m"),
    )
    found = []
    for axis, extent in ((radial, table.radial), (azimuthal, table.azimuthal)):
        known = None if axis is None else axis.definition
        lowest = 0.0 if known is not None and known.positive else -np.inf
        found.append(known and Binned(*extent, axis.bins, known.period or 0.0, lowest))
    ptr, bins, coefs = split(mode, pixels, *found)
    dense = np.zeros((2, ptr.size - 1, table.entries.n_bins))
    entries = table.entries
    for layer, (p, b, c) in enumerate([(ptr, bins, coefs), (entries.pixel_ptr, entries.bins, entries.coefs)]):
        dense[layer, np.repeat(np.arange(p.size - 1), np.diff(p)), b] = c
    np.testing.assert_allclose(dense[1], dense[0], rtol=1e-7, atol=2e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("rho", "chi"), PAIRS)
def test_all_of_every_pixel_is_in_the_table(mode, rho, chi):
    radial, azimuthal = axes(rho, chi)
    entries = build_entries(
        SMALL, radial, azimuthal, split=mode, sample=needed(rho or chi, chi or rho)
    ).entries
    pixel = np.repeat(np.arange(entries.n_pixels), np.diff(entries.pixel_ptr))
    total = np.bincount(pixel, entries.coefs.astype(float), entries.n_pixels)
    np.testing.assert_allclose(total, 1.0, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_the_missing_wedge_stays_empty(mode):
    """No ray has q near the normal at large angles: no pixel reaches into those bins, however it is split."""
    wide = detector(pixel1=2e-3, pixel2=2e-3, shape=(100, 101))
    geometry = Geometry(wide, 0.15, 0.0, 0.101, wavelength=1e-10)
    sample = Sample(np.radians(0.2))
    cake = IntegrationSpec(
        geometry, radial=Axis("qip_nm^-1", 200), azimuthal=Axis("qoop_nm^-1", 100), split=mode, sample=sample
    )
    found = cake.plan().integrate(np.ones(wide.shape))
    # The least in-plane part that a ray of this height can have, where it is above the beam.
    k, qoop = 2e-9 * np.pi / 1e-10, found.azimuthal
    rise = qoop / k - np.sin(sample.incident_angle)
    least = k * np.abs(np.sqrt(1.0 - rise**2) - np.cos(sample.incident_angle))
    step = found.radial[1] - found.radial[0]
    edge = 2.5 * (qoop[1] - qoop[0]) * rise / np.sqrt(1.0 - rise**2)  # pixels and bins are as high
    wedge = np.abs(found.radial)[None, :] + 0.5 * step < (least - edge)[:, None]
    assert wedge.sum() > 300
    assert not found.count[wedge].any()
    assert np.isnan(found.intensity[wedge]).all()


def test_patterns_along_one_with_a_range_of_the_other():
    image = np.random.default_rng(0).poisson(50.0, SMALL.shape)
    low, high = np.quantile(SMALL.center_array("qoop_nm^-1", sample=SAMPLE), [0.3, 0.8])

    def pattern(radial, azimuthal):
        spec = IntegrationSpec(SMALL, radial=radial, azimuthal=azimuthal, split="no", sample=SAMPLE)
        return spec.plan().integrate(image)

    limited = pattern(Axis("qip_nm^-1", 6), Axis("qoop_nm^-1", None, (low, high)))
    qoop = SMALL.center_array("qoop_nm^-1", sample=SAMPLE)
    assert limited.sum_signal.sum() == image[(qoop >= low) & (qoop < high)].sum()
    upright = pattern(None, Axis("qoop_nm^-1", 6))
    lying = pattern(Axis("qoop_nm^-1", 6), None)
    assert upright.radial is None
    np.testing.assert_array_equal(upright.azimuthal, lying.radial)
    np.testing.assert_array_equal(upright.sum_signal, lying.sum_signal)


def test_specs_with_a_sample():
    plain = IntegrationSpec(SMALL, radial=Axis("q_nm^-1", 5))
    assert "sample" not in plain.to_json(), "digests of specs from before samples stay"
    spec = IntegrationSpec(SMALL, radial=Axis("qip_nm^-1", 5), azimuthal=Axis("qoop_A^-1", 4), sample=SAMPLE)
    again = IntegrationSpec.from_json(spec.to_json())
    assert again == spec
    assert again.sample == SAMPLE
    assert replace(spec, sample=Sample(0.2)).digest != spec.digest


def test_a_sample_that_is_missing_or_of_no_use():
    with pytest.raises(SpecError, match=r"qip_nm\^-1 and qoop_nm\^-1 need to know how the sample stands"):
        IntegrationSpec(SMALL, radial=Axis("qip_nm^-1", 5), azimuthal=Axis("qoop_nm^-1", 4))
    with pytest.raises(SpecError, match=r"a sample has no use with q_nm\^-1"):
        IntegrationSpec(SMALL, radial=Axis("q_nm^-1", 5), sample=SAMPLE)
    with pytest.raises(SpecError, match=r"must be an aureole\.Sample"):
        IntegrationSpec(SMALL, radial=Axis("qip_nm^-1", 5), sample=0.2)
    with pytest.raises(SpecError, match="chigi_deg is azimuthal"):
        IntegrationSpec(SMALL, radial=Axis("chigi_deg", 5), sample=SAMPLE)


def test_the_short_ways_take_a_unit_for_the_other_axis():
    image = np.random.default_rng(1).poisson(20.0, SMALL.shape)
    cake = aureole.integrate2d(
        image, SMALL, 6, 5, unit="qip_nm^-1", azimuthal_unit="qoop_nm^-1", sample=SAMPLE, split="no"
    )
    assert cake.sum_signal.sum() == image.sum()
    assert cake.spec.azimuthal.unit == "qoop_nm^-1"
    pattern = aureole.integrate1d(
        image,
        SMALL,
        6,
        unit="qoop_nm^-1",
        azimuthal_unit="qip_nm^-1",
        azimuth_range=cake.bins.radial_range,
        sample=SAMPLE,
        split="no",
    )
    np.testing.assert_array_equal(
        pattern.sum_signal.sum(), image[SMALL.center_array("qip_nm^-1", sample=SAMPLE) > -np.inf].sum()
    )


def test_images_of_patterns_along_a_coordinate_of_a_sample():
    spec = IntegrationSpec(SMALL, radial=Axis("qip_nm^-1", 12), sample=SAMPLE, solid_angle=False)
    at = np.linspace(-80.0, 80.0, 41)
    image = aureole.azimuthal.back_project(spec, at, at + 100.0)
    np.testing.assert_allclose(image, SMALL.center_array("qip_nm^-1", sample=SAMPLE) + 100.0)
    both = replace(spec, azimuthal=Axis("qoop_nm^-1", 5))
    with pytest.raises(SpecError, match="second axis must be chi"):
        aureole.azimuthal.back_project(both, at, np.ones((5, 41)), azimuthal=np.arange(5.0))
    with pytest.raises(SpecError, match="inpainting goes along rings"):
        aureole.azimuthal.Inpainter(both)
