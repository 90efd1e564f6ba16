"""Grazing incidence and fibres against pyFAI's FiberIntegrator.

With splitting, pyFAI smears pixels across the missing wedge, where the in-plane component changes its sign;
ours are on one side of it. So the detector looks past that in these tests. Its exit angles turn the sample
the other way: it gets them with both angles negated. It has no errors for any of these.
"""

import numpy as np
import pytest
from pyfai_oracle import POSE, random_geometry

import aureole
from aureole import Axis, IntegrationSpec, Sample

SMALL = aureole.detector(pixel1=172e-6, pixel2=190e-6, shape=(200, 220))
IMAGE = np.random.default_rng(2).poisson(50.0, SMALL.shape).astype(np.float32)
PAIRS = {
    "grazing": ("qip_nm^-1", "qoop_nm^-1"),
    "polar": ("qtot_A^-1", "chigi_deg"),
    "exit": ("exit_angle_horz_deg", "exit_angle_vert_deg"),
    "components": ("qxgi_nm^-1", "qygi_nm^-1"),
}


def integrator(geometry):
    from pyFAI.detectors import Detector
    from pyFAI.integrator.fiber import FiberIntegrator

    known = geometry.detector
    theirs = Detector(known.pixel1, known.pixel2, max_shape=known.shape, orientation=known.orientation)
    pose = {name: getattr(geometry, name) for name in POSE}
    return FiberIntegrator(**pose, wavelength=geometry.wavelength, detector=theirs)


def asked(sample, units, split):
    way = -1.0 if units[0].startswith("exit") else 1.0
    return {
        "unit_ip": units[0],
        "unit_oop": units[1],
        "incident_angle": way * sample.incident_angle,
        "tilt_angle": way * sample.tilt_angle,
        "sample_orientation": sample.orientation,
        "method": (split, "csr" if split != "no" else "histogram", "cython"),
    }


def aside(seed, orientation):
    """A geometry and a sample whose plane across the beam the detector does not look at."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-0.1, 0.1, 2)
    poni = (-0.03, 0.02) if orientation < 5 else (0.02, -0.03)
    return (
        aureole.Geometry(SMALL, 0.08, poni[1], poni[0], *rng.uniform(-0.1, 0.1, 3), wavelength=1e-10),
        Sample(*angles, orientation),
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("pair", PAIRS)
def test_cakes_without_splitting(pair, orientation):
    units = PAIRS[pair]
    geometry = random_geometry(20 + orientation, SMALL, beam_inside=True)
    sample = Sample(0.05, -0.1, orientation)
    spec = IntegrationSpec(
        geometry,
        radial=Axis(units[0], 30),
        azimuthal=Axis(units[1], 24),
        split="no",
        sample=sample,
    )
    ours = spec.plan().integrate(IMAGE)
    theirs = integrator(geometry).integrate2d_grazing_incidence(
        IMAGE, npt_ip=30, npt_oop=24, **asked(sample, units, "no")
    )
    np.testing.assert_allclose(ours.radial, theirs.inplane, rtol=0.0, atol=1e-6 * np.abs(ours.radial).max())
    np.testing.assert_allclose(
        ours.azimuthal, theirs.outofplane, rtol=0.0, atol=1e-6 * np.abs(ours.azimuthal).max()
    )
    compare(ours, theirs, geometry)


def compare(ours, theirs, geometry):
    """All sums in bins whose edges no centre of a pixel is on: there the rounding of the peer decides."""
    keep = ours.count > 0
    for axis, name in ((-1, "radial"), (0, "azimuthal")):
        centres = getattr(ours, name)
        if centres is None:
            continue
        values = geometry.center_array(getattr(ours.spec, name).unit, sample=ours.spec.sample)
        at = (values - centres[0]) / (centres[1] - centres[0]) + 0.5
        edge = np.rint(at)
        close = np.unique(edge[np.abs(at - edge) < 1e-6].astype(int))
        close = np.unique(np.concatenate([close - 1, close]))
        np.moveaxis(keep, axis, 0)[close[(close >= 0) & (close < len(centres))]] = False
    assert keep.sum() > 0.5 * np.count_nonzero(ours.count)
    np.testing.assert_array_equal(ours.count[keep], theirs.count[keep])
    for mine, yours in (
        (ours.sum_signal, theirs.sum_signal),
        (ours.sum_normalization, theirs.sum_normalization),
        (ours.intensity, theirs.intensity),
    ):
        np.testing.assert_allclose(mine[keep], yours[keep], rtol=1e-6)


@pytest.mark.parametrize("vertical", [True, False])
@pytest.mark.parametrize("pair", PAIRS)
def test_patterns_without_splitting(pair, vertical):
    units = PAIRS[pair]
    geometry = random_geometry(40, SMALL, beam_inside=True)
    sample = Sample(0.05, -0.1, 6)
    along = None if vertical else Axis(units[0], 30)
    around = Axis(units[1], 24) if vertical else None
    wanted = sample if aureole.units.unit((along or around).unit).needs_sample else None
    spec = IntegrationSpec(geometry, radial=along, azimuthal=around, split="no", sample=wanted)
    ours = spec.plan().integrate(IMAGE)
    theirs = integrator(geometry).integrate1d_grazing_incidence(
        IMAGE, npt_ip=30, npt_oop=24, vertical_integration=vertical, **asked(sample, units, "no")
    )
    centres = ours.azimuthal if vertical else ours.radial
    np.testing.assert_allclose(centres, theirs.integrated, rtol=0.0, atol=1e-6 * np.abs(centres).max())
    compare(ours, theirs, geometry)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("split", ["bbox", "full"])
def test_cakes_with_splitting(split, pair, orientation):
    units = PAIRS[pair]
    geometry, sample = aside(orientation, orientation)
    across = geometry.corner_array("qxgi_nm^-1", sample=sample)
    assert across.min() > 0.0 or across.max() < 0.0
    spec = IntegrationSpec(
        geometry, radial=Axis(units[0], 30), azimuthal=Axis(units[1], 24), split=split, sample=sample
    )
    ours = spec.plan().integrate(IMAGE)
    theirs = integrator(geometry).integrate2d_grazing_incidence(
        IMAGE,
        npt_ip=30,
        npt_oop=24,
        ip_range=spec_range(ours.bins.radial_range),
        oop_range=spec_range(ours.bins.azimuthal_range),
        **asked(sample, units, split),
    )
    keep = ours.count > 20
    keep[[0, -1]] = keep[:, [0, -1]] = False
    assert keep.sum() > 100
    # To cells pyFAI deals the area under a side of a polygon out as if that side were level.
    median, worst = {"bbox": (1e-6, 5e-5), "full": (1e-4, 5e-3)}[split]
    for name in ("sum_signal", "sum_normalization", "intensity"):
        mine, yours = getattr(ours, name)[keep], getattr(theirs, name)[keep]
        apart = np.abs(mine / yours - 1.0)
        assert np.median(apart) <= median
        assert apart.max() <= worst


def spec_range(found):
    return found[0], found[1] / (1.0 + np.finfo(np.float32).eps)
