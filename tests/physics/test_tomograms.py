"""Tomograms of a known sample at stated noise: phases, axis, intensity, and errors that are true."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

import aureole
from aureole.azimuthal import NamedArray
from aureole.cli import main
from aureole.mapping.tomogram import Layer, prepare, tomogram
from aureole.mapping.tomography import Corrections, Reconstruction
from aureole.simulate import Beamline, Experiment, Phantom, Region, XrdctScan, release, render

PHASES = ("Al2O3", "CeO2", "LaB6", "amorphous")
BODY = Phantom(
    PHASES,
    (
        Region("Al2O3", 0.5, 0.0, 0.0, 0.94),
        Region("Al2O3", -0.5, 0.05, -0.03, 0.7),
        Region("CeO2", 0.35, -0.2, 0.15, 0.4, 0.8, 0.5),
        Region("LaB6", 0.3, 0.2, -0.15, 0.55, 0.8, -0.4, smooth=1),
        Region("amorphous", 0.2, 0.0, 0.0, 1.0),
    ),
)
TRANSLATIONS, ANGLES = 36, 54
STEPS = 1000.0
"""Of the pure phase in the reference frames."""
REPEATS = 60


@pytest.fixture(scope="module")
def scan():
    return XrdctScan(translations=TRANSLATIONS, angles=ANGLES, wander=0.1)


@pytest.fixture(scope="module")
def reduced(scan, tmp_path_factory):
    """The tomogram as the command makes it: 30 counts a pixel, half of the beam absorbed, air, a decay."""
    root = tmp_path_factory.mktemp("tomogram")
    beamline = Beamline(detector="Lambda 60k", counts=30.0, transmission=0.5)
    release(render(Experiment(BODY, scan, beamline), root, threads=2))
    common = ("--poni", f"{root}/scan.poni", "--npt", "200")
    phases = []
    for name in PHASES:
        assert main(["integrate", f"{root}/references/{name}.cbf", *common, "-o", f"{root}/{name}.xy"]) == 0
        phases += ["--phase", f"{name}={root}/{name}.xy"]
    corrections = ("--monitor", "Flux", "--transmission", "Transmission", "--air", "1", "--jitter")
    shape = ("--shape", f"{ANGLES},{TRANSLATIONS}")
    words = ["xrdct", f"{root}/frames", *common, *shape, *corrections, "--window", "ram-lak", *phases]
    assert main([*words, "-o", f"{root}/tomogram.h5"]) == 0
    with h5py.File(root / "tomogram.h5") as file, h5py.File(root / "truth.h5") as truth:
        assert [name.decode() for name in truth["entry/data/phase"]] == list(PHASES)
        assert (root / "references/CeO2.cbf").read_bytes().count(b"Steps 1000\r\n") == 1
        yield file["entry"], truth["entry/data/fraction"][:, 0]


def test_the_axis(reduced, scan):
    entry, _ = reduced
    account = entry["reconstruction/parameters"]
    assert account["rotation_center"][0] == pytest.approx(scan.rotation_center, abs=0.25)
    assert account["rotation_center_spread"][0] < 1.0


@pytest.mark.parametrize("phase", range(len(PHASES)), ids=PHASES)
def test_phase_maps(reduced, phase, record_property):
    entry, truth = reduced
    weight = STEPS * entry[f"phases/{PHASES[phase]}_weight"][0]
    every = STEPS * sum(entry[f"phases/{name}_weight"][0] for name in PHASES)
    fraction = entry[f"phases/{PHASES[phase]}_fraction"][0]
    seen = np.isfinite(weight)
    known = np.isfinite(fraction)
    np.testing.assert_allclose(fraction[known], weight[known] / every[known], rtol=1e-4)
    inside = (truth.sum(axis=0) > 0.1) & seen
    region = truth[phase] > 0.5 * truth[phase].max()
    of_region = truth[phase][region].sum() / truth.sum(axis=0)[region].sum()
    figures = {
        # of what the region scatters: voxels at its edge hold parts of two, and tell nothing by themselves
        "fraction_off": float(weight[region].sum() / every[region].sum() - of_region),
        "weight_off": float((weight - truth[phase])[region].mean()),
        "correlation": float(np.corrcoef(weight[seen], truth[phase][seen])[0, 1]),
        "rmse_inside": float(np.sqrt(np.mean((weight - truth[phase])[inside] ** 2))),
    }
    for name, value in figures.items():
        record_property(name, value)
    assert abs(figures["fraction_off"]) < 0.02, figures
    assert abs(figures["weight_off"]) < 0.02, figures
    assert figures["correlation"] > 0.98, figures
    assert figures["rmse_inside"] < 0.05, figures


def test_total_intensity_is_conserved(reduced):
    """What the slice holds is what the mean projection does, with absorption and air taken off."""
    entry, _ = reduced
    intensity = entry["sinogram/I"][0].astype(np.float64)  # translations, angles, bins
    through = _transmission_of(entry)
    corrected = intensity / through[..., None]
    air = (corrected[:1] + corrected[-1:]) / 2
    total = (corrected - air).sum(axis=0).mean(axis=0)
    volume = np.nansum(entry["data/I"][0], axis=(0, 1), dtype=np.float64)
    assert volume.sum() == pytest.approx(total.sum(), rel=0.01)
    bright = total > np.median(total)
    np.testing.assert_allclose(volume[bright], total[bright], rtol=0.03)


def _transmission_of(entry):
    """Return the transmission of each ray, (translations, angles), as the headers say."""
    sources = entry["reduction/sources"].asstr()[()]
    with aureole.open_frames(list(sources)) as frames:
        values = [float(frames.header(index)["Transmission"]) for index in range(len(frames))]
    return np.array(values)[entry["scan/frame"][0]].T


@pytest.fixture(scope="module")
def noisy():
    """A small scan on a strip of a detector; patterns, errors: (repeats, angles, translations, bins)."""
    scan = XrdctScan(translations=12, angles=10)
    made = Experiment(BODY, scan, Beamline(detector="Lambda 60k", counts=30.0, transmission=0.7, decay=0.1))
    first, last = 112, 144
    images = np.array([made.expectation(frame)[first:last] for frame in range(len(made))])
    pixel = made.geometry.detector.pixel1
    strip = aureole.detector(pixel1=pixel, pixel2=pixel, shape=images.shape[1:])
    spec = aureole.IntegrationSpec(
        replace(made.geometry, detector=strip, poni1=made.geometry.poni1 - first * pixel),
        radial=aureole.Axis("q_nm^-1", 24),
        split="no",
        error_model="poisson",
        mask=NamedArray("invalid", made.screen.invalid[first:last]),
    )
    plan, rng = spec.plan(threads=2), np.random.default_rng(5)
    found = []
    for _ in range(REPEATS):
        counts = rng.poisson(images).astype(np.int32)
        result = plan.integrate(counts, monitor=made.monitor, threads=2)
        found.append((result.intensity, result.sigma))
    shape = (REPEATS, scan.angles, scan.translations, -1)
    return made, *(np.array(each, np.float32).reshape(shape) for each in zip(*found, strict=True))


def scatter(noisy, corrections, how):
    """Return the variance of voxels over repeated noise, and the mean of the predicted ones."""
    made, intensity, sigma = noisy
    scan = made.scan
    slices = []
    for values, errors in zip(intensity, sigma, strict=True):
        layer = Layer(
            values,
            errors,
            np.arange(scan.angles) * (scan.turned / scan.angles),
            made.transmission.reshape(scan.angles, scan.translations),
        )
        prepared = prepare(layer, corrections=corrections, reconstruction=how)
        slices.append(tomogram(prepared, how, threads=2))
    found = np.var([one.intensity for one in slices], axis=0, ddof=1)
    predicted = np.mean([np.square(one.sigma) for one in slices], axis=0)
    seen = np.isfinite(predicted).any(axis=-1)
    bins = np.isfinite(predicted[seen]).all(axis=0)
    assert bins.sum() >= 20
    assert np.count_nonzero(seen) > 80
    return found[seen][:, bins], predicted[seen][:, bins]


@pytest.mark.parametrize("window", ["ram-lak", "hann"])
def test_predicted_errors_are_the_scatter_of_repeated_noise(noisy, window):
    how = Reconstruction(window=window, center=noisy[0].scan.rotation_center)
    found, predicted = scatter(noisy, Corrections(without_angles=(4,)), how)
    ratio = found / predicted
    assert np.sqrt(ratio.mean()) == pytest.approx(1.0, abs=0.03)
    # 60 repeats of 20 bins and more tell the ratio of a voxel to some 2 %, and of a bin to 1 %
    np.testing.assert_allclose(np.sqrt(ratio.mean(axis=1)), 1.0, atol=0.1)
    np.testing.assert_allclose(np.sqrt(ratio.mean(axis=0)), 1.0, atol=0.1)
