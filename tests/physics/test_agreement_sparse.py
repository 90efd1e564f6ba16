"""Pixels that stand out and peaks against pyFAI's OpenCL program; where there is no OpenCL, it is skipped."""

import logging

import numpy as np
import pytest

import aureole
from aureole.azimuthal import Peaks, Picking, SparsePlan
from aureole.geometry import format_poni

BINS = 60
SPOTS = 150


@pytest.fixture(scope="module")
def crystal():
    """Frame and geometry: spots of three pixels across on an amorphous background, none at the border."""
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=(200, 240))
    geometry = aureole.Geometry(detector, 0.2, 0.09, 0.11, 0.05, -0.03, 0.1, wavelength=1e-10)
    rng = np.random.default_rng(2)
    image = rng.poisson(40.0 + 60.0 * np.exp(-geometry.center_array("2th_deg") / 10.0)).astype(np.int32)
    rows, columns = rng.integers(3, 197, SPOTS), rng.integers(3, 237, SPOTS)
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            part = np.exp(-0.7 * (row * row + column * column))
            image[rows + row, columns + column] += (part * rng.integers(300, 3000, SPOTS)).astype(np.int32)
    return image, geometry


@pytest.fixture(scope="module")
def theirs(crystal, tmp_path_factory):
    pyopencl = pytest.importorskip("pyopencl")
    try:
        platforms = pyopencl.get_platforms()
    except pyopencl.Error:
        platforms = []
    if not platforms:
        pytest.skip("no OpenCL platform, such as PoCL")
    logging.getLogger("pyFAI").setLevel(logging.CRITICAL)
    import pyFAI
    from pyFAI.opencl import ocl
    from pyFAI.opencl.peak_finder import OCL_PeakFinder
    from pyFAI.units import to_unit

    image, geometry = crystal
    poni = tmp_path_factory.mktemp("poni") / "crystal.poni"
    poni.write_text(format_poni(geometry), encoding="utf-8")
    ai, unit = pyFAI.load(str(poni)), to_unit("2th_deg")
    table = ai.setup_sparse_integrator(image.shape, BINS, unit=unit, split="no", algo="CSR", scale=False)
    finder = OCL_PeakFinder(
        table.lut,
        image_size=image.size,
        unit=unit,
        bin_centers=table.bin_centers,
        radius=ai.array_from_unit(typ="center", unit=unit, scale=False),
        ctx=ocl.create_context(devicetype="cpu"),
        block_size=16,
    )
    return finder.sparsify(
        image,
        error_model="azimuthal",
        cutoff_clip=0.0,
        cycle=5,
        noise=1.0,
        cutoff_pick=4.0,
        cutoff_peak=6.0,
        patch_size=3,
        connected=3,
    )


@pytest.fixture(scope="module")
def ours(crystal):
    image, geometry = crystal
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("2th_deg", BINS),
        split="no",
        error_model="azimuthal",
        solid_angle=False,
        robust=aureole.Clip(0.5, 5, chauvenet=True),
    )
    [found] = SparsePlan(spec, Picking(4.0, 1.0, Peaks(6.0, 3, 3))).sparsify(image)
    return found


def test_backgrounds_agree(ours, theirs):
    np.testing.assert_allclose(ours.mean, theirs.background_avg, rtol=2e-6)
    np.testing.assert_allclose(ours.deviation, theirs.background_std, rtol=1e-3)


def test_the_same_pixels_are_kept(ours, theirs):
    assert np.setxor1d(ours.pixels, theirs.index).size <= 1
    assert ours.pixels.size > 5 * SPOTS


def test_the_same_peaks_are_found(ours, theirs):
    peaks = theirs.peaks[np.argsort(theirs.peaks["index"])]
    np.testing.assert_array_equal(ours.peaks[:, 0], peaks["index"])
    for column, name in ((1, "pos0"), (2, "pos1"), (3, "intensity"), (4, "sigma")):
        np.testing.assert_allclose(ours.peaks[:, column], peaks[name], rtol=1e-3, err_msg=name)
    assert len(peaks) > 0.6 * SPOTS
