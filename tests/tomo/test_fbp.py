"""Filtered backprojection against a plain sum, and against objects whose projections are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from aureole import _core
from aureole.errors import SpecError
from aureole.tomo import WINDOWS, FilteredBackprojection, ParallelBeam
from aureole.tomo.normalise import jitter
from aureole.tomo.reference import backproject
from aureole.tomo.windows import ramp

from .objects import densities, projections

TURN = np.pi * np.arange(240) / 240


SHAKEN = np.random.default_rng(12).normal(0, 1.2, 240)
BEAMS = {
    "180 degrees": ParallelBeam(TURN, 120),
    "180 degrees, both ends": ParallelBeam(np.linspace(0, np.pi, 241), 120),
    "360 degrees": ParallelBeam(2 * TURN, 120),
    "axis aside": ParallelBeam(TURN, 120, rotation_center=55.3),
    "more pixels than translations": ParallelBeam(TURN, 120, size=151),
    "half acquisition": ParallelBeam(2 * TURN, 90, rotation_center=20.2, size=120, half_acquisition=True),
    "half acquisition, other side": ParallelBeam(
        2 * TURN, 90, rotation_center=70, size=121, half_acquisition=True
    ),
    "angles in any order": ParallelBeam(np.random.default_rng(3).permutation(TURN), 120),
    "irregular angles": ParallelBeam(TURN + np.random.default_rng(4).uniform(0, 0.012, 240), 120),
    "turned the other way": ParallelBeam(-TURN, 120),
    "shaken": ParallelBeam(TURN, 120, rotation_center=61.2, shifts=SHAKEN),
}


@pytest.mark.parametrize("method", ["direct", "fourier"])
@pytest.mark.parametrize("name", BEAMS)
def test_known_objects_are_found(name, method):
    beam = BEAMS[name]
    wanted = densities(beam.size)
    found = FilteredBackprojection(beam, method=method).reconstruct(projections(beam))
    middle = np.s_[beam.size // 2 - 12 : beam.size // 2 - 6, beam.size // 2 - 2 : beam.size // 2 + 6]
    assert found[middle].mean() == pytest.approx(1.0, abs=2e-3)
    assert found[beam.seen].sum() == pytest.approx(wanted[beam.seen].sum(), rel=1e-3)
    assert np.sqrt(np.mean((found - wanted)[beam.seen] ** 2)) < 0.04


@pytest.mark.parametrize("method", ["direct", "fourier"])
@pytest.mark.parametrize("size", [16, 17])
@pytest.mark.parametrize("window", WINDOWS)
def test_it_is_the_plain_sum(window, size, method):
    rng = np.random.default_rng(1)
    shifts = rng.normal(0, 0.7, 13)
    beam = ParallelBeam(rng.uniform(0, np.pi, 13), 16, rotation_center=6.8, size=size, shifts=shifts)
    fbp = FilteredBackprojection(beam, window, method=method)
    spectrum = ramp(fbp.length, window)
    sinogram = rng.normal(size=beam.shape)
    wanted = backproject(beam, sinogram, spectrum)
    assert np.abs(fbp.reconstruct(sinogram) - wanted).max() < 1e-4 * np.abs(wanted).max()
    variances = rng.uniform(0, 2, beam.shape)
    wanted = backproject(beam, variances, spectrum, squared=True)
    assert np.abs(fbp.variance(variances) - wanted).max() < 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("method", ["direct", "fourier"])
def test_half_acquisition_is_the_plain_sum(method):
    rng = np.random.default_rng(2)
    beam = ParallelBeam(
        2 * np.pi * np.arange(14) / 14, 12, rotation_center=3.2, size=15, half_acquisition=True
    )
    fbp = FilteredBackprojection(beam, "ram-lak", method=method)
    sinogram = rng.normal(size=beam.shape)
    wanted = backproject(beam, sinogram, ramp(fbp.length, "ram-lak"))
    assert np.abs(fbp.reconstruct(sinogram) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_the_variance_is_the_scatter_of_many_noisy_slices():
    rng = np.random.default_rng(5)
    beam = ParallelBeam(np.pi * np.arange(40) / 40, 32)
    fbp = FilteredBackprojection(beam, "hann")
    variances = rng.uniform(0.5, 2.0, beam.shape)
    noise = rng.normal(size=(3000, *beam.shape)) * np.sqrt(variances)
    ratio = (fbp.reconstruct(noise).var(axis=0)[beam.seen]) / fbp.variance(variances)[beam.seen]
    assert ratio.mean() == pytest.approx(1.0, abs=0.01)
    assert ratio.std() == pytest.approx(np.sqrt(2 / 3000), rel=0.2)


def test_of_a_shaken_scan_predicted_errors_are_those_of_many():
    """Photons to pixels: jitter is measured on a sum of channels, and taken out without interpolation."""
    rng = np.random.default_rng(13)
    turn = np.pi * np.arange(60) / 60
    shaken = ParallelBeam(turn, 120, shifts=rng.normal(0, 0.8, 60))
    clean = projections(shaken) + 5.0
    scans = rng.poisson(clean, (400, *clean.shape)).astype(np.float32)
    beam = ParallelBeam(turn, 120, shifts=jitter(clean - 5.0, turn))
    assert beam.shifts - shaken.shifts == pytest.approx(_sine(shaken.shifts, turn), abs=0.1)
    fbp = FilteredBackprojection(beam)
    predicted = fbp.variance(scans[0])[beam.seen]  # of one scan, as its counts tell
    scatter = fbp.reconstruct(scans).var(axis=0)[beam.seen]
    assert np.sqrt(predicted / scatter).mean() == pytest.approx(1, abs=0.01)
    assert np.sqrt(predicted / scatter).std() < 0.1


def _sine(values, turn):
    """Return what of the shifts is a sine, which no jitter shows, with the sign reversed."""
    model = np.stack([np.ones_like(turn), np.cos(turn), np.sin(turn)], axis=1)
    return -model @ np.linalg.lstsq(model, values, rcond=None)[0]


@pytest.mark.parametrize("method", ["direct", "fourier"])
def test_channels_threads_and_layout_do_not_change_a_bit(method):
    beam = ParallelBeam(TURN[::6], 50, rotation_center=23.3)
    fbp = FilteredBackprojection(beam, method=method)
    many = np.random.default_rng(6).uniform(size=(2, 35, *beam.shape)).astype(np.float32)
    found = fbp.reconstruct(many, threads=1)
    assert found.shape == (2, 35, 50, 50)
    assert np.array_equal(found, fbp.reconstruct(many, threads=3))
    alone = FilteredBackprojection(beam, method=method).reconstruct(many[1, 34].astype(np.float64))
    assert np.array_equal(found[1, 34], alone)
    last = np.moveaxis(many.reshape(70, *beam.shape), 0, -1)
    for way in (fbp.reconstruct, fbp.variance):
        wanted = np.moveaxis(way(many).reshape(70, 50, 50), 0, -1)
        for layout in (last, np.ascontiguousarray(last)):
            assert np.array_equal(way(layout, channels_last=True, threads=2), wanted)


@pytest.mark.parametrize("isa", _core.isas)
def test_every_instruction_set_sums_up_the_same_bits(isa):
    rng = np.random.default_rng(8)
    shifts = rng.normal(0, 0.7, 11)
    beam = ParallelBeam(rng.uniform(0, np.pi, 11), 21, rotation_center=9.1, size=19, shifts=shifts)
    fbp = FilteredBackprojection(beam, method="direct")
    many = rng.uniform(size=(45, *beam.shape)).astype(np.float32)
    for kernel, way in ((fbp._signal, fbp.reconstruct), (fbp._squared, fbp.variance)):
        found = np.empty((45, 19, 19), np.float32)
        kernel.apply(many, found, isa)
        assert np.array_equal(found, way(many))


def test_the_method_goes_by_the_size_of_a_slice_alone():
    assert FilteredBackprojection(ParallelBeam(TURN, 200)).method == "direct"
    assert FilteredBackprojection(ParallelBeam(TURN, 201)).method == "fourier"


def test_lost_projections_leave_the_mean_alone():
    keep = np.ones(240, bool)
    keep[100:106] = False
    whole = ParallelBeam(TURN, 120, rotation_center=60.3, shifts=SHAKEN / 4)
    beam = whole.only(keep)
    found = FilteredBackprojection(beam).reconstruct(projections(whole)[keep])
    assert found.sum() == pytest.approx(densities(120)[beam.seen].sum(), rel=2e-3)
    assert beam.weights.sum() == pytest.approx(np.pi)


def test_a_wedge_that_was_not_measured_counts_for_nothing():
    beam = ParallelBeam(TURN[:160], 120)
    assert beam.weights == pytest.approx(np.pi / 240)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"angles": []}, "one for each projection"),
        ({"angles": [0.0, np.nan]}, "angle 1 is not finite"),
        ({"angles": [0.5, 0.5]}, "not turned"),
        ({"translations": 0}, "0 translations"),
        ({"rotation_center": 120.0}, "outside the translations, 0 to 119"),
        ({"rotation_center": np.nan}, "outside the translations"),
        ({"size": 0}, "slice of 0 pixels"),
        ({"shifts": np.zeros(239)}, "one for each of 240 angles"),
        ({"shifts": np.full(240, np.nan)}, "shifts are finite"),
        ({"shifts": np.full(240, 61.0)}, "shift of 61 of 120"),
    ],
)
def test_impossible_beams_are_refused(change, said):
    with pytest.raises(SpecError, match=said):
        ParallelBeam(**{"angles": TURN, "translations": 120} | change)


def test_impossible_sinograms_are_refused():
    fbp = FilteredBackprojection(BEAMS["180 degrees"])
    with pytest.raises(SpecError, match="no window 'box'; there are ram-lak"):
        FilteredBackprojection(fbp.beam, "box")
    with pytest.raises(SpecError, match="no method 'fast'; there are auto, direct, fourier"):
        FilteredBackprojection(fbp.beam, method="fast")
    with pytest.raises(SpecError, match=r"shape \(1, 240, 120\); wanted is \(240, 120, channels\)"):
        fbp.reconstruct(np.zeros((1, 240, 120)), channels_last=True)
    with pytest.raises(SpecError, match=r"shape \(120, 240\); wanted is \(..., 240, 120\)"):
        fbp.reconstruct(np.zeros((120, 240)))
    with pytest.raises(SpecError, match="not finite"):
        fbp.reconstruct(np.full((240, 120), np.nan))
    with pytest.raises(SpecError, match="negative"):
        fbp.variance(np.full((240, 120), -1.0))
