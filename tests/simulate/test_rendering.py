"""Scans as files: whole, not over others', and at the pace that was asked for."""

import csv
import resource

import fabio
import h5py
import numpy as np
import pytest

from aureole.errors import OutputError, SpecError
from aureole.geometry import parse_poni
from aureole.io import open_frames, read_image
from aureole.simulate import Beamline, Experiment, MapScan, XrdctScan, release, render, sample
from aureole.simulate.truth import write_truth
from aureole.tomo import ParallelBeam, project

TABLES = ["scan.csv", "scan.poni", "truth.h5"]
PLACED = ["references", *TABLES]


class Clock:
    """A clock that only sleeping, or a slow disk, moves on."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture(scope="module")
def experiment():
    scan = XrdctScan(translations=4, angles=3, layers=2, wander=0.1)
    return Experiment(sample(), scan, Beamline(detector="Pilatus 100k", counts=5.0, spotty=("CeO2",)))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_tables_come_first_and_frames_on_release(experiment, tmp_path):
    rendered = render(experiment, tmp_path / "new" / "scan", threads=2)
    folder = tmp_path / "new" / "scan"
    assert [name for name in names(folder) if not name.startswith(".")] == PLACED
    assert rendered.hidden.name.startswith(".")
    assert parse_poni((folder / "scan.poni").read_text()) == experiment.geometry
    told = []
    released = release(rendered, progress=lambda done, total: told.append((done, total)))
    assert released.files == 24
    assert told[-1] == (24, 24)
    assert names(folder) == ["frames", *PLACED]
    assert names(rendered.frames) == [f"scan_{index:05d}.cbf" for index in range(24)]
    with fabio.open(rendered.files[7]) as file:
        np.testing.assert_array_equal(file.data, experiment.frame(7))
    with open_frames(rendered.frames) as frames:
        assert frames[7].header["Translation"] == "0.150000 mm"


def test_the_table_says_what_headers_say(experiment, tmp_path):
    rendered = render(experiment, tmp_path)
    release(rendered)
    with (tmp_path / "scan.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["frame", "rotation", "translation", "z", "monitor", "transmission"]
    with open_frames(rendered.frames) as frames:
        for index, row in enumerate(rows):
            header = frames[index].header
            assert row["frame"] == str(index)
            for column, key in (
                ("rotation", "Start_angle"),
                ("translation", "Translation"),
                ("z", "Z"),
                ("monitor", "Flux"),
                ("transmission", "Transmission"),
            ):
                assert header[key].split()[0] == row[column]


def test_the_truth(experiment, tmp_path):
    render(experiment, tmp_path).discard()
    assert names(tmp_path) == []
    render(experiment, tmp_path)
    with h5py.File(tmp_path / "truth.h5") as file:
        entry = file["entry"]
        np.testing.assert_allclose(entry["data/fraction"], experiment.truth, atol=1e-6)
        assert entry["data/phase"].asstr()[:].tolist() == list(experiment.phantom.phases)
        assert list(entry["data"].attrs["axes"]) == ["phase", "z", "y", "x"]
        for name in entry:
            if isinstance(entry[name], h5py.Group):
                axes = entry[name].attrs["axes"]
                assert entry[name][entry[name].attrs["signal"]].ndim == len(axes)
        np.testing.assert_array_equal(entry["axis/rotation_center"], experiment.scan.centers)
        np.testing.assert_array_equal(entry["beam/monitor"], experiment.monitor)
        expected = np.tensordot(experiment.attenuation, experiment.truth, 1)
        np.testing.assert_allclose(entry["attenuation/mu"], expected, rtol=1e-5)


def test_frames_follow_from_the_truth(tmp_path):
    """Patterns times line integrals through the volume, attenuated, are what pixels expect."""
    scan = XrdctScan(translations=31, angles=2)
    made = Experiment(sample(), scan, Beamline(detector="Pilatus 100k", transmission=0.5))
    write_truth(tmp_path / "truth.h5", made)
    with h5py.File(tmp_path / "truth.h5") as file:
        volume, mu = file["entry/data/fraction"][:, 0], file["entry/attenuation/mu"][0]
        patterns, q = file["entry/patterns/intensity"][()], file["entry/patterns/q"][()]
        monitor = file["entry/beam/monitor"][()]
        beam = ParallelBeam([0.0, np.pi / 2], 31, rotation_center=file["entry/axis/rotation_center"][0])
    frame = 16
    lengths = project(beam, volume)[:, 0, frame]
    through = np.exp(-project(beam, mu)[0, frame])
    # the last pattern is that of air
    profile = monitor[frame] * through * (lengths @ patterns[:-1] + patterns[-1])
    two_theta = made.geometry.center_array("2th_rad")
    image = np.interp(made.geometry.center_array("q_nm^-1"), q, profile) * made.screen.share
    ordinary = two_theta > 0.02
    np.testing.assert_allclose(image[ordinary].sum(), made.expectation(frame)[ordinary].sum(), rtol=0.01)
    error = np.abs(image - made.expectation(frame))[ordinary].mean() / image[ordinary].mean()
    assert error < 0.03


def test_references_are_what_pure_phases_scatter(experiment, tmp_path):
    rendered = render(experiment, tmp_path)
    assert names(tmp_path / "references") == sorted(
        f"{name}.cbf" for name in (*experiment.phantom.phases, "air")
    )
    good = ~experiment.screen.invalid
    image = read_image(tmp_path / "references" / "Ni.cbf")
    with open_frames(tmp_path / "references" / "Ni.cbf") as frames:
        steps = float(frames[0].header["Steps"])
    nickel = experiment.phantom.phases.index("Ni")
    expected = steps * experiment.screen.expectation(experiment.patterns[nickel])
    expected.reshape(-1)[experiment.screen.hot] *= 30.0
    np.testing.assert_allclose(image[good], expected[good], rtol=1e-6, atol=0.5)
    assert (image[~good] < 0).all()
    assert 1e3 <= image[good].mean() < 2e4
    rendered.discard()
    assert names(tmp_path) == []


def test_frames_do_not_depend_on_threads(experiment, tmp_path):
    series = [render(experiment, tmp_path / str(threads), threads=threads) for threads in (1, 3)]
    for rendered in series:
        release(rendered)
    for one, other in zip(*(rendered.files for rendered in series), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_an_eiger_scan(tmp_path):
    scan = MapScan(rows=2, columns=3)
    experiment = Experiment(sample(), scan, Beamline(detector="Eiger 500k", energy_kev=35.0, counts=5.0))
    rendered = render(experiment, tmp_path, form="eiger")
    assert [name for name in names(tmp_path) if not name.startswith(".")] == PLACED
    release(rendered)
    assert rendered.frames == tmp_path / "scan_master.h5"
    assert names(tmp_path) == sorted([*PLACED, "scan_data_000001.h5", "scan_master.h5"])
    with h5py.File(rendered.frames) as master:
        image = master["entry/data/data_000001"][4]
    expected = experiment.frame(4)
    good = ~experiment.screen.invalid
    np.testing.assert_array_equal(image[good], expected[good])
    assert (image[~good] == 2**32 - 1).all()
    with h5py.File(tmp_path / "truth.h5") as file:
        assert file["entry/data/fraction"].shape == (5, 1, 2, 3)


def test_frames_appear_at_their_times(experiment, tmp_path):
    rendered, clock, seen = render(experiment, tmp_path), Clock(), []

    def sleep(seconds):
        clock.sleep(seconds)
        seen.append((clock.now, len(list(rendered.files[0].parent.iterdir()))))

    released = release(rendered, 250.0, clock=clock.time, sleep=sleep)
    np.testing.assert_allclose([when for when, _ in seen], 100.0 + np.arange(1, 24) / 250.0)
    assert [count for _, count in seen] == list(range(1, 24))
    assert released.rate == pytest.approx(250.0)
    assert released.latest == pytest.approx(0.0, abs=1e-9)


def test_a_late_frame_does_not_delay_the_others(experiment, tmp_path):
    rendered, clock = render(experiment, tmp_path), Clock()

    def stall(done, total):
        if done == 5:
            clock.now += 1.0

    released = release(rendered, 10.0, clock=clock.time, sleep=clock.sleep, progress=stall)
    assert released.latest == pytest.approx(0.9)
    assert released.seconds == pytest.approx(2.3)
    assert released.rate == pytest.approx(10.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e-300, np.nan, np.inf])
def test_rates_that_cannot_be(experiment, tmp_path, rate):
    rendered = render(experiment, tmp_path)
    with pytest.raises(SpecError, match="positive rate"):
        release(rendered, rate)


def test_nothing_of_others_is_touched(experiment, tmp_path):
    for name in (*TABLES, "scan_master.h5", "frames/mine.txt", "frames", "references/mine.txt", "references"):
        folder = tmp_path / name.replace("/", "_")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("precious")
        with pytest.raises(OutputError, match="is there already; choose another folder"):
            render(experiment, folder)
        assert (folder / name).read_text() == "precious"
        assert len([path for path in folder.rglob("*") if path.is_file()]) == 1


def test_an_interrupted_scan_leaves_nothing(experiment, tmp_path):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(experiment, tmp_path, progress=stop)
    assert names(tmp_path) == []
    rendered = render(experiment, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        release(rendered, progress=stop)
    assert len(names(rendered.frames)) == 3
    rendered.discard()
    assert names(tmp_path) == []


def test_a_disk_that_is_full_leaves_nothing(experiment, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for limit in (1 << 10, 12 << 10):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            with pytest.raises(OutputError, match="File too large"):
                render(experiment, tmp_path / "new", form="eiger")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == []


def test_a_scan_that_came_into_being_meanwhile_is_kept(experiment, tmp_path):
    def other(done, total):
        if done == total:
            (tmp_path / "truth.h5").write_text("precious")

    with pytest.raises(OutputError, match="exists already"):
        render(experiment, tmp_path, progress=other)
    assert names(tmp_path) == ["truth.h5"]


def test_a_folder_that_cannot_be(experiment, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        render(experiment, tmp_path / "file" / "scan")
