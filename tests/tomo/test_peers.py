"""Against what others make of the same sinograms: scikit-image, ASTRA, algotom.

An odd number of translations, so that all agree on where the middle of a slice is. Turned the other way,
since their y axis points up.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from aureole.tomo import FilteredBackprojection, ParallelBeam, cgls, project, sirt
from aureole.tomo.centre import find_center

from .objects import densities, projections

pytestmark = pytest.mark.filterwarnings(
    "ignore:An input array is constant:scipy.stats.ConstantInputWarning",
    "ignore::RuntimeWarning:algotom",
    "ignore::DeprecationWarning:(algotom|numba|pyfftw|pywt|astra)",
    "ignore::numba.core.errors.NumbaWarning",
)

BEAM = ParallelBeam(np.pi * np.arange(180) / 180, 121)
SINOGRAM = projections(BEAM).astype(np.float32)
INNER = np.hypot(*np.mgrid[-60:61, -60:61]) < 57
"""The rim of the circle is done by each in its own way."""


def differ(a, b):
    """Return the root of the mean squared difference; densities are about 1."""
    return float(np.sqrt(np.mean((a - b)[INNER] ** 2)))


def astra_solved(name, iterations=1, **options):
    astra = pytest.importorskip("astra", reason="ASTRA is not installed")
    volume = astra.create_vol_geom(121, 121)
    rays = astra.create_proj_geom("parallel", 1.0, 121, -BEAM.angles)
    held = astra.data2d.create("-sino", rays, SINOGRAM), astra.data2d.create("-vol", volume, 0)
    wanted = astra.astra_dict(name) | {
        "ProjectionDataId": held[0],
        "ReconstructionDataId": held[1],
        "ProjectorId": astra.create_projector("linear", rays, volume),
        "option": options,
    }
    astra.algorithm.run(astra.algorithm.create(wanted), iterations)
    found = astra.data2d.get(held[1])
    astra.clear()
    return found


@pytest.mark.parametrize(
    ("window", "interpolation", "tolerance"),
    [
        ("hann", "cubic", 2e-3),
        ("hann", "linear", 1e-2),
        ("shepp-logan", "cubic", 2e-2),
        ("ramp", "cubic", 2e-2),
    ],
)
def test_scikit_image_filters_and_backprojects_alike(window, interpolation, tolerance):
    """The wider the window, the more of the difference is their interpolation, which smooths."""
    transform = pytest.importorskip("skimage.transform", reason="scikit-image is not installed")
    theirs = transform.iradon(
        SINOGRAM.T, np.degrees(-BEAM.angles), filter_name=window, circle=True, interpolation=interpolation
    )
    ours = FilteredBackprojection(BEAM, "ram-lak" if window == "ramp" else window).reconstruct(SINOGRAM)
    assert differ(ours, theirs) < tolerance


def test_scikit_image_projects_alike():
    transform = pytest.importorskip("skimage.transform", reason="scikit-image is not installed")
    smooth = gaussian_filter(densities(121), 2) * BEAM.seen
    theirs = transform.radon(smooth, np.degrees(-BEAM.angles), circle=True).T
    ours = project(BEAM, smooth)
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 1e-3 * ours.max()


def test_astra_projects_alike():
    astra = pytest.importorskip("astra", reason="ASTRA is not installed")
    rays = astra.create_proj_geom("parallel", 1.0, 121, -BEAM.angles)
    projector = astra.create_projector("linear", rays, astra.create_vol_geom(121, 121))
    _, theirs = astra.create_sino(densities(121).astype(np.float32), projector)
    astra.clear()
    ours = project(BEAM, densities(121))
    assert np.abs(ours - theirs).max() < 1e-4 * ours.max()


def test_astra_filters_and_backprojects_alike():
    ours = FilteredBackprojection(BEAM, "hann").reconstruct(SINOGRAM)
    assert differ(ours, astra_solved("FBP", FilterType="hann")) < 1e-2


@pytest.mark.parametrize(
    ("solve", "name", "iterations"), [(sirt, "SIRT", 40), (cgls, "CGLS", 2)], ids=["SIRT", "CGLS"]
)
def test_astra_iterates_alike(solve, name, iterations):
    """Further iterations of conjugate gradients amplify what single precision leaves."""
    assert differ(solve(BEAM, SINOGRAM, iterations), astra_solved(name, iterations)) < 5e-5


def test_algotom_filters_and_backprojects_alike():
    reconstruction = pytest.importorskip("algotom.rec.reconstruction", reason="algotom is not installed")
    theirs = reconstruction.fbp_reconstruction(
        SINOGRAM, 60.0, angles=-BEAM.angles, apply_log=False, gpu=False, filter_name="hann"
    )
    assert differ(FilteredBackprojection(BEAM, "hann").reconstruct(SINOGRAM), theirs) < 1e-2


@pytest.mark.parametrize("center", [57.3, 63.8])
def test_algotom_finds_the_same_axis(center):
    calculation = pytest.importorskip("algotom.prep.calculation", reason="algotom is not installed")
    beam = ParallelBeam(np.linspace(0, np.pi, 181), 121, rotation_center=center)
    sinogram = projections(beam).astype(np.float32)
    theirs = calculation.find_center_vo(sinogram, ncore=1)
    assert find_center(sinogram, beam.angles).value == pytest.approx(float(theirs), abs=0.25)


def test_algotom_finds_the_same_axis_near_an_edge():
    calculation = pytest.importorskip("algotom.prep.calculation", reason="algotom is not installed")
    beam = ParallelBeam(np.linspace(0, 2 * np.pi, 361), 121, rotation_center=30.3)
    sinogram = (projections(beam) + 20).astype(np.float32)
    theirs, *_ = calculation.find_center_360(sinogram, 20, ncore=1)
    ours = find_center(sinogram, beam.angles, half_acquisition=True).value
    assert ours == pytest.approx(30.3, abs=0.05)
    assert ours == pytest.approx(float(theirs), abs=0.1)
