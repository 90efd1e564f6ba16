"""One integration, done by Aureole and by pyFAI, and how far apart the two are.

The tests of agreement and ``benchmarks/agreement.py`` share this. Where pyFAI has another definition, `both`
asks it for ours as far as it can, and `comparable` says which bins are left to compare.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

import aureole

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pyFAI.detectors
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

logging.getLogger("pyFAI").setLevel(logging.ERROR)

SUMS = ("sum_signal", "sum_normalization", "sum_normalization2")
POSE = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3")
CROWDED = 20
"""Bins of more pixels than that are compared: in smaller ones the float32 corners of pyFAI show."""

ALGORITHM = {"no": "csr", "bbox": "csr", "full": "csr", "pseudo": "histogram"}


def random_geometry(seed, detector, *, beam_inside=None):
    """Return a geometry with dist, PONI and rotations at random; the beam is on the detector or off it."""
    rng = np.random.default_rng(seed)
    size = [n * pixel for n, pixel in zip(detector.shape, (detector.pixel1, detector.pixel2), strict=True)]
    geometry = aureole.Geometry(
        detector,
        rng.uniform(0.7, 3.0) * max(size),
        rng.uniform(-0.5, 1.5) * size[0],
        rng.uniform(-0.5, 1.5) * size[1],
        rng.uniform(-0.4, 0.4),
        rng.uniform(-0.4, 0.4),
        rng.uniform(-3.0, 3.0),
        wavelength=rng.uniform(0.2e-10, 2e-10),
    )
    if beam_inside is None:
        beam_inside = rng.random() < 0.5
    along1, along2, away = geometry.rotation_matrix()[2]
    to_beam = geometry.dist * along1 / away, geometry.dist * along2 / away
    beam = [poni + to for poni, to in zip((geometry.poni1, geometry.poni2), to_beam, strict=True)]
    if beam_inside:
        beam = rng.uniform(0.2, 0.8, 2) * size
    elif all(-0.1 < at / length < 1.1 for at, length in zip(beam, size, strict=True)):
        beam[0] -= 1.3 * size[0]
    return replace(geometry, poni1=beam[0] - to_beam[0], poni2=beam[1] - to_beam[1])


def integrator(geometry):
    """Return pyFAI's integrator of a geometry, with its own detector of that name."""
    known = geometry.detector
    if known.name == "Detector":
        theirs = pyFAI.detectors.Detector(
            known.pixel1, known.pixel2, max_shape=known.shape, orientation=known.orientation
        )
    else:
        theirs = pyFAI.detectors.detector_factory(known.name, {"orientation": known.orientation})
    pose = {name: getattr(geometry, name) for name in POSE}
    return AzimuthalIntegrator(**pose, wavelength=geometry.wavelength, detector=theirs)


def both(
    image, geometry, *, bins=150, azimuthal=None, against="radial", unit="q_nm^-1", split="bbox", **options
):
    """Integrate an image with Aureole and with pyFAI.

    `azimuthal` bins make a cake; `against` "chi" makes a pattern of that many over the azimuth, of which
    pyFAI has the sum over a cake of `bins` columns. Options are those of `IntegrationSpec`, with
    `radial_range`, `azimuth_range` and `variance`.
    """
    options = dict(options)
    ranges = options.pop("radial_range", None), options.pop("azimuth_range", None)
    variance = options.pop("variance", None)
    spec = aureole.IntegrationSpec(
        geometry,
        radial=_axis(unit, None if against == "chi" else bins, ranges[0]),
        azimuthal=_axis("chi_deg", azimuthal, ranges[1]),
        split=split,
        efficiency=False,  # which the peer does not correct
        **options,
    )
    ours = spec.plan().integrate(image, variance=variance)
    return ours, _pyfai(image, spec, variance, bins=bins, unit=unit)


def _axis(unit, bins, given):
    return None if bins is None and given is None else aureole.Axis(unit, bins, given)


def _pyfai(image, spec, variance, *, bins, unit):
    ai = integrator(spec.geometry)
    if spec.chi_discontinuity == "zero":
        ai.setChiDiscAtZero()
    # A mask replaces that of pyFAI's detector, so it gets both.
    mask = spec.geometry.detector.mask.copy()
    if spec.mask is not None:
        mask |= spec.mask.array
    plain = {name: named.array.copy() for name, named in spec.arrays.items() if name in ("dark", "flat")}
    asked = {
        "mask": mask.astype(np.int8),
        "correctSolidAngle": spec.solid_angle,
        "polarization_factor": spec.polarization_factor,
        "dummy": spec.dummy,
        "delta_dummy": spec.delta_dummy,
        "normalization_factor": spec.normalization_factor,
        "variance": variance,
        "error_model": {"poisson_floor": "poisson", "variance": None}.get(spec.error_model, spec.error_model),
        "radial_range": spec.radial and spec.radial.range,
        "azimuth_range": spec.azimuthal and spec.azimuthal.range,
        "unit": unit,
        "method": (spec.split, ALGORITHM[spec.split], "cython"),
        **plain,
    }
    if spec.absorption is not None:
        asked["absorption"] = spec.absorption.array.copy()
    if spec.azimuthal is None or spec.azimuthal.bins is None:
        return ai.integrate1d_ng(image, bins, **asked)
    found = ai.integrate2d_ng(image, bins, spec.azimuthal.bins, **asked)
    if spec.radial is not None and spec.radial.bins is not None:
        return found
    sums = {name: getattr(found, name) for name in (*SUMS, "sum_variance", "count")}
    line = SimpleNamespace(
        **{name: part if part is None else part.sum(axis=1) for name, part in sums.items()}
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        line.intensity = line.sum_signal / line.sum_normalization
        if line.sum_variance is not None:
            line.sem = np.sqrt(line.sum_variance) / line.sum_normalization
            line.std = np.sqrt(line.sum_variance / line.sum_normalization2)
    line.azimuthal = found.azimuthal
    return line


def comparable(ours, *, crowded=CROWDED):
    """Return which bins to compare: the crowded ones, without those where definitions differ."""
    spec = ours.spec
    radial, azimuthal, whole = spec.radial, spec.azimuthal, spec.split == "no"
    if azimuthal is not None and azimuthal.bins is None and not whole:
        raise ValueError("pyFAI keeps whole pixels in a range of azimuths: there is nothing to compare")
    keep = ours.count > crowded
    if radial is not None and radial.range is not None and radial.bins:
        # pyFAI puts pixels that hang over an end of a given range into the first and last bins as a whole;
        # without splitting the first bin gets those of one more bin below.
        keep[..., 0] = False
        keep[..., -1] &= whole
    if azimuthal is not None and azimuthal.bins:
        # So too here; and it cuts off what hangs over the discontinuity.
        turn = azimuthal.range is None or azimuthal.range[1] - azimuthal.range[0] >= 360.0
        keep[0] &= whole and turn
        keep[-1] &= whole
    if whole:
        for axis, name in ((-1, "radial"), (0, "azimuthal")):
            if getattr(spec, name) is not None and getattr(spec, name).bins:
                np.moveaxis(keep, axis, 0)[_bins_in_doubt(ours, name)] = False
    elif radial is not None and radial.bins:
        keep[..., _bins_at_beam(ours)] = False
    return keep


def _bins_at_beam(ours):
    """Return in which radial bins are the pixel that the beam falls on and its neighbours.

    In polar coordinates they are no polygons of four corners; pyFAI takes them for such.
    """
    geometry, axis = ours.spec.geometry, ours.spec.radial
    row, column = np.floor(geometry.beam_center()).astype(int)
    window = slice(max(row - 1, 0), max(row + 2, 0)), slice(max(column - 1, 0), max(column + 2, 0))
    corners = geometry.corner_array(axis.unit)[window]
    corners = corners[np.isfinite(corners)]
    if not corners.size:
        return np.zeros(axis.bins, bool)
    half = (ours.radial[1] - ours.radial[0]) / 2
    return (ours.radial + half >= corners.min()) & (ours.radial - half <= corners.max())


def _bins_in_doubt(ours, name):
    """Return the bins at whose edges stands the centre of a pixel: rounding decides where it goes."""
    axis, centres = getattr(ours.spec, name), getattr(ours, name)
    values = ours.spec.geometry.center_array(axis.unit, chi_discontinuity=ours.spec.chi_discontinuity)
    at = (values[np.isfinite(values)] - centres[0]) / (centres[1] - centres[0]) + 0.5
    edge = np.rint(at)
    close = edge[(np.abs(at - edge) < 1e-7) & (edge > 0) & (edge < axis.bins)].astype(int)
    return np.unique(np.concatenate([close - 1, close]))


def differences(ours, theirs, *, names=None):
    """Return the relative differences of sums, intensity and errors in the comparable bins, by name."""
    keep = comparable(ours)
    if names is None:
        names = [*SUMS, "intensity"]
        if ours.sum_variance is not None:
            names += ["sum_variance", "sigma", "std"]
        if theirs.sum_normalization2 is None:  # pyFAI has none in a cake without errors
            names.remove("sum_normalization2")
    found = {}
    for name in names:
        mine = getattr(ours, name)[keep]
        yours = np.asarray(getattr(theirs, "sem" if name == "sigma" else name))[keep]
        # Where both are nothing they agree.
        found[name] = np.abs(mine - yours) / np.where((yours == 0.0) & (mine == 0.0), 1.0, np.abs(yours))
    return found


LIMITS = {"no": (1e-6, 1e-6), "bbox": (1e-6, 5e-5), "full": (1e-6, 5e-5)}
"""Largest median and worst relative difference to pyFAI that each way of splitting may show."""


def assert_agreement(ours, theirs, *, names=None, limits=None, least=10):
    """Check differences in at least so many bins; without splitting also that every pixel is where it is."""
    spec = ours.spec
    median, worst = limits or LIMITS[spec.split]
    keep = comparable(ours)
    assert keep.sum() >= least, "too few bins to compare"
    for name, apart in differences(ours, theirs, names=names).items():
        assert np.median(apart) <= median, f"{name}: median {np.median(apart):.1e}"
        assert apart.max() <= worst, f"{name}: worst {apart.max():.1e}"
    if spec.split == "no":
        np.testing.assert_array_equal(ours.count[keep], np.asarray(theirs.count)[keep])
