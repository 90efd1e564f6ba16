"""Files of sparse frames: FabIO makes of them the images that we make; pyFAI's files are read."""

import fabio
import h5py
import hdf5plugin  # noqa: F401  (FabIO needs its filters)
import numpy as np
import pytest

import aureole
from aureole.azimuthal import Peaks, Picking, SparsePlan, densify
from aureole.errors import FormatError, FrameCorrupt, FrameMissing, OutputError
from aureole.io import FrameStatus, SparseFile, SparseWriter

SHAPE = (60, 70)


@pytest.fixture(scope="module")
def plan():
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE)
    geometry = aureole.Geometry(detector, 0.2, 0.031, 0.022, 0.05, -0.03, 0.1, wavelength=1e-10)
    mask = np.zeros(SHAPE, bool)
    mask[20:24] = True
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("2th_deg", 40),
        split="no",
        error_model="poisson",
        robust=aureole.Clip(),
        mask=mask,
        polarization_factor=0.9,
    )
    return SparsePlan(spec, Picking(peaks=Peaks(connected=1)))


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(5)
    frames = rng.poisson(20.0, (3, *SHAPE)).astype(np.int32)
    frames[rng.random(frames.shape) < 0.01] *= 20
    return frames


@pytest.fixture
def path(tmp_path, plan, frames):
    """Frames 0, 1 and 3; the second is missing."""
    path = tmp_path / "sparse.h5"
    with SparseWriter(path, 4, plan.layout(np.int32)) as writer:
        for index, sparse in zip((0, 1, 3), plan.sparsify(frames), strict=True):
            if index == 3:
                writer.mark(2, FrameStatus.MISSING, "no such file")
            writer.write(index, sparse)
    return path


def test_what_is_written_is_read(path, plan, frames):
    with SparseFile(path) as file:
        assert file.status.tolist() == [0, 0, 2, 0]
        assert file.layout.picking == Picking()
        for index, wanted in zip((0, 1, 3), plan.sparsify(frames), strict=True):
            for name in ("pixels", "values", "mean", "deviation"):
                np.testing.assert_array_equal(getattr(file[index], name), getattr(wanted, name), strict=True)
            np.testing.assert_array_equal(
                densify(file[index], file.layout), densify(wanted, plan.layout(np.int32)), strict=True
            )
        with pytest.raises(FrameMissing, match="no such file"):
            _ = file[2]
        with pytest.raises(IndexError):
            _ = file[4]


def test_fabio_opens_it_as_images(path):
    """It rounds in single precision: some pixels differ by one. Before the first bin it has zeros."""
    with fabio.open(str(path)) as images:
        assert images.nframes == 4
        dense = [images.getframe(index).data for index in range(4)]
    with SparseFile(path) as file:
        for index in (0, 1, 3):
            theirs, ours = dense[index], densify(file[index], file.layout)
            assert theirs.dtype == ours.dtype
            within = ~(file.layout.radius < file.layout.centres[0])
            apart = np.abs(theirs.astype(int) - ours)[within]
            assert apart.max() <= 1
            assert (apart > 0).mean() < 0.01


def test_peaks_are_rows_of_coordinates(path, plan, frames):
    with h5py.File(path) as file:
        peaks = file["entry/peaks"]
        for index, sparse in zip((0, 1, 3), plan.sparsify(frames), strict=True):
            n = peaks["nPeaks"][index]
            assert n == len(sparse.peaks) > 5
            np.testing.assert_allclose(peaks["peakXPosRaw"][index, :n], sparse.peaks[:, 2], rtol=1e-6)
            np.testing.assert_allclose(peaks["peakYPosRaw"][index, :n], sparse.peaks[:, 1], rtol=1e-6)
            np.testing.assert_allclose(peaks["peakTotalIntensity"][index, :n], sparse.peaks[:, 3], rtol=1e-6)
            snr = sparse.peaks[:, 3] / sparse.peaks[:, 4]
            np.testing.assert_allclose(peaks["peakSNR"][index, :n], snr, rtol=1e-6)
            assert not peaks["peakSNR"][index, n:].any()


def test_files_of_pyfai_are_read(tmp_path, plan, frames):
    from pyFAI.containers import SparseFrame
    from pyFAI.io.sparse_frame import save_sparse
    from pyFAI.units import to_unit

    [sparse] = plan.sparsify(frames[0])
    layout = plan.layout(np.int32)
    theirs = SparseFrame(sparse.pixels[::-1], sparse.values[::-1])
    unit = to_unit("2th_deg")
    theirs._mask, theirs._radius = layout.radius / unit.scale, layout.centres / unit.scale
    theirs._background_avg, theirs._background_std = sparse.mean, sparse.deviation
    theirs._unit, theirs._dummy, theirs._peaks = unit, -1, None
    import pyFAI

    settings = {"cutoff_pick": 4.0, "noise": 2.0, "correctSolidAngle": False, "polarization_factor": None}
    path = tmp_path / "theirs.h5"
    save_sparse(str(path), [theirs], ai=pyFAI.load({"dist": 0.2, "detector": "Pilatus100k"}), extra=settings)
    with SparseFile(path) as file:
        assert len(file) == 1
        assert (file.layout.picking.cutoff, file.layout.picking.noise) == (4.0, 2.0)
        order = np.argsort(file[0].pixels)
        np.testing.assert_array_equal(file[0].pixels[order], sparse.pixels)
        dense = densify(file[0], file.layout).reshape(-1)
        np.testing.assert_array_equal(dense[sparse.pixels], sparse.values)
        assert (dense.reshape(SHAPE)[20:24] == -1).all()


def test_it_is_no_series_of_images_as_it_is(path):
    with pytest.raises(FormatError, match="aureole densify"):
        aureole.open_frames(path)


def test_other_and_damaged_files_are_refused(tmp_path, path, plan, frames):
    with pytest.raises(FormatError, match="no such file"):
        SparseFile(tmp_path / "none.h5")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    with pytest.raises(FormatError, match="is no file of sparse frames"):
        SparseFile(other)
    with h5py.File(path, "r+") as file:
        file["entry/sparse_frames/frame_ptr"][1] = 10**9
    with pytest.raises(FormatError, match="frame_ptr does not fit index"):
        SparseFile(path)
    with pytest.raises(OutputError, match="exists"):
        SparseWriter(path, 1, plan.layout(np.int32))
    [sparse] = plan.sparsify(frames[0].astype(np.uint16))
    with (
        pytest.raises(FrameCorrupt, match="uint16 instead of int32"),
        SparseWriter(tmp_path / "new.h5", 1, plan.layout(np.int32)) as writer,
    ):
        writer.write(0, sparse)
    assert not (tmp_path / "new.h5").exists()
