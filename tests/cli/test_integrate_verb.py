"""aureole integrate: what it writes, and what every option does."""

import json
import os

import h5py
import numpy as np
import pytest

import aureole
from aureole.io import write_cbf
from aureole.io.cbf import CbfFiles

NPT = 30


def integrate(run, scan, *options, frames=None, out="out.h5"):
    target = scan.out / out
    frames = [scan.folder] if frames is None else frames
    return run("integrate", *frames, "--poni", scan.poni, "-o", target, "--npt", NPT, *options), target


def rows(path):
    with h5py.File(path) as file:
        data = file["entry/data"]
        return data["I"][()], data["I_errors"][()] if "I_errors" in data else None


def spec_in(path):
    with h5py.File(path) as file:
        return json.loads(file["entry/reduction/input/spec"].asstr()[()])


def test_patterns_with_their_errors_and_provenance(run, scan, geometry):
    done, target = integrate(run, scan, "--error-model", "poisson")
    assert done.code == 0
    assert done.out.count("\n") == 1
    assert "6 of 6 frames done in" in done.out
    assert str(target) in done.out
    assert done.err == ""
    spec = aureole.IntegrationSpec(geometry, radial=aureole.Axis("q_nm^-1", NPT), error_model="poisson")
    wanted = spec.plan().integrate(scan.images)
    have, sigma = rows(target)
    np.testing.assert_array_equal(have, wanted.intensity.astype(np.float32))
    np.testing.assert_array_equal(sigma, wanted.sigma.astype(np.float32))
    with h5py.File(target) as file:
        entry = file["entry"]
        assert entry["definition"].asstr()[()] == "NXazint1d"
        np.testing.assert_array_equal(entry["frame_status"][()], 0)
        np.testing.assert_array_equal(entry["data/radial_axis"][()], wanted.radial)
        edges = entry["data/radial_axis_edges"][()]
        np.testing.assert_allclose(0.5 * (edges[1:] + edges[:-1]), wanted.radial, rtol=1e-12)
        np.testing.assert_allclose(entry["data/norm"][()], wanted.sum_normalization[0])
        process = entry["reduction"]
        assert process["version"].asstr()[()] == aureole.__version__
        assert list(process["sources"].asstr()[()]) == [os.path.realpath(path) for path in scan.files]
        text = process["input/spec"].asstr()[()]
        assert aureole.IntegrationSpec.from_json(text) == spec
        assert process["input/spec_sha256"].asstr()[()] == spec.digest
        assert process["input/poni"].asstr()[()] == str(scan.poni)


def test_cakes(run, scan):
    done, target = integrate(run, scan, "--npt-azim", 8, "--unit", "2th_deg")
    assert done.code == 0
    have, sigma = rows(target)
    assert have.shape == (6, 8, NPT)
    assert sigma is None
    with h5py.File(target) as file:
        assert file["entry/definition"].asstr()[()] == "NXazint2d"


def test_intensity_against_azimuth(run, scan):
    options = ("--unit", "chi_rad", "--azimuth-range", -90, 90, "--radial-range", 10, 14)
    done, target = integrate(run, scan, *options)
    assert done.code == 0
    spec = spec_in(target)
    assert spec["azimuthal"] == {"unit": "chi_rad", "bins": NPT, "range": [-np.pi / 2, np.pi / 2]}
    assert spec["radial"] == {"unit": "q_nm^-1", "bins": None, "range": [10.0, 14.0]}
    assert rows(target)[0].shape == (6, NPT)


GRAZING = ("--unit", "qip_nm^-1", "--unit-azim", "qoop_nm^-1", "--npt-azim", 8)


def test_grazing_incidence(run, scan, geometry):
    sample = ("--incident-angle", 2.5, "--tilt-angle", -1, "--sample-orientation", 6)
    done, target = integrate(run, scan, *GRAZING, *sample, "--azimuth-range", -3, 5)
    assert done.code == 0
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("qip_nm^-1", NPT),
        azimuthal=aureole.Axis("qoop_nm^-1", 8, (-3, 5)),
        sample=aureole.Sample(np.radians(2.5), np.radians(-1.0), 6),
    )
    assert aureole.IntegrationSpec.from_json(json.dumps(spec_in(target))) == spec
    np.testing.assert_array_equal(
        rows(target)[0], spec.plan().integrate(scan.images).intensity.astype(np.float32)
    )
    with h5py.File(target) as file:
        assert "definition" not in file["entry"]
        data = file["entry/data"]
        assert data["radial_axis"].attrs["long_name"] == "qip (1/nm)"
        assert data["azimuthal_axis"].attrs["long_name"] == "qoop (1/nm)"
        assert data.attrs["title"] == "Intensity against qoop (1/nm) and qip (1/nm)"
    told = run("info", target).out
    assert "incidence 2.5°, tilt -1°, orientation 6" in told


def test_grazing_incidence_asks_for_what_it_needs(run, scan):
    told = integrate(run, scan, *GRAZING)[0]
    assert told.code == 2
    assert "give its angle of incidence" in told.err
    told = integrate(run, scan, *GRAZING, "--incident-angle", 100)[0]
    assert told.code == 2
    assert "incident_angle" in told.err
    told = integrate(run, scan, "--unit", "q_nm^-1", "--incident-angle", 0.2)[0]
    assert told.code == 2
    assert "no axis depends on it" in told.err
    told = integrate(run, scan, "--unit-azim", "qoop_nm^-1")[0]
    assert told.code == 2
    assert "--npt-azim" in told.err
    told = integrate(run, scan, "--unit", "chi_deg", "--unit-azim", "chi_deg")[0]
    assert told.code == 2
    assert "no azimuth" in told.err


def test_options_reach_the_spec(run, scan):
    for name in ("mask", "dark", "flat", "absorption"):
        np.save(scan.root / f"{name}.npy", np.ones(scan.images[0].shape, np.float32))
    mask = np.zeros(scan.images[0].shape, np.uint8)
    mask[:3] = 1
    np.save(scan.root / "mask.npy", mask)
    arrays = [
        part
        for name in ("mask", "dark", "flat", "absorption")
        for part in (f"--{name}", scan.root / f"{name}.npy")
    ]
    done, target = integrate(
        run,
        scan,
        *arrays,
        *("--split", "full", "--error-model", "azimuthal", "--polarization-factor", -0.5),
        *("--dummy", "-1e9", "--delta-dummy", 2, "--saturation", 5000, "--no-solid-angle"),
        *("--radial-range", 2, 15.5, "--azimuth-range", -90.5, 90, "--chi-discontinuity", "pi"),
        *("--no-detector-mask", "--energy", 12.0, "--instrument", "ID99", "--source", "Somewhere"),
        *("--threads", 2, "--backend", "reference"),
    )
    assert done.code == 0, done.err
    spec = spec_in(target)
    assert spec["split"] == "full"
    assert spec["error_model"] == "azimuthal"
    assert spec["polarization_factor"] == -0.5
    assert spec["dummy"] == -1e9
    assert spec["delta_dummy"] == 2.0
    assert spec["saturation"] == 5000.0
    assert spec["solid_angle"] is False
    assert spec["detector_mask"] is False
    assert spec["radial"] == {"unit": "q_nm^-1", "bins": NPT, "range": [2.0, 15.5]}
    assert spec["azimuthal"] == {"unit": "chi_deg", "bins": None, "range": [-90.5, 90.0]}
    assert spec["geometry"]["wavelength"] == pytest.approx(1.0332016e-10)
    assert spec["mask"]["name"] == str(scan.root / "mask.npy")
    with h5py.File(target) as file:
        assert file["entry/instrument/name"].asstr()[()] == "ID99"
        assert file["entry/instrument/source/name"].asstr()[()] == "Somewhere"
        assert file["entry/reduction/input/backend"].asstr()[()] == "reference"
        assert not file["entry/solid_angle_applied"][()]
        assert file["entry/polarization_applied"][()]


def test_the_efficiency_of_the_sensor(run, scan):
    done, target = integrate(run, scan, "--sensor", "Si,450um")
    assert done.code == 0, done.err
    assert spec_in(target)["efficiency"] == {"material": "Si", "thickness": 450e-6}
    assert "efficiency of Si, 450 µm" in run("info", target).out
    with h5py.File(target) as file:
        assert file["entry/efficiency_applied"][()]
    done, target = integrate(run, scan, "--sensor", "Si,450um", "--no-efficiency", "--overwrite")
    assert done.code == 0, done.err
    assert "efficiency" not in spec_in(target)
    assert "efficiency of" not in run("info", target).out
    with h5py.File(target) as file:
        assert not file["entry/efficiency_applied"][()]


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        ("Si", "--sensor: 'Si' is no material with its thickness, such as Si,450um"),
        ("Si,450", "--sensor: thickness 450 is in metres"),
        ("moondust,1mm", "--sensor: 'moondust' is not one of Si, Ge, "),
    ],
)
def test_sensors_that_cannot_be(run, scan, sensor, message):
    done, target = integrate(run, scan, "--sensor", sensor)
    assert done.code == 2
    assert message in done.err
    assert not target.exists()


def test_darks_and_flats_are_averaged(run, scan, geometry):
    rng = np.random.default_rng(8)
    darks = rng.poisson(9.0, (4, *scan.images[0].shape)).astype(np.int32)
    flats = rng.uniform(0.9, 1.1, (3, *scan.images[0].shape))
    for index, dark in enumerate(darks):
        write_cbf(scan.root / f"dark_{index}.cbf", dark)
    with h5py.File(scan.root / "flats.h5", "w") as file:
        file["a"], file["b"] = flats[:2], flats[2:]
    options = ["--dark", f"{scan.root}/dark_*.cbf"]
    for name in "ab":
        options += ["--flat", f"{scan.root}/flats.h5::/{name}"]
    done, target = integrate(run, scan, *options, "--error-model", "poisson")
    assert done.code == 0, done.err
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("q_nm^-1", NPT),
        error_model="poisson",
        dark=darks.mean(0),
        dark_variance=darks.var(0, ddof=1) / 4,
        flat=flats.mean(0),
    )
    wanted = spec.plan().integrate(scan.images)
    have, sigma = rows(target)
    np.testing.assert_allclose(have, wanted.intensity, rtol=1e-6)
    np.testing.assert_allclose(sigma, wanted.sigma, rtol=1e-6)
    with h5py.File(target) as file:
        known = file["entry/reduction/input"]
        assert known["dark"].asstr()[()] == f"{scan.root}/dark_*.cbf"
        assert known["flat"].asstr()[()] == f"{scan.root}/flats.h5::/a, {scan.root}/flats.h5::/b"
    # Where errors have no use for it, the scatter of the darks is no part of the spec.
    for model in ("none", "azimuthal"):
        done, target = integrate(run, scan, *options, "--error-model", model, out=f"{model}.h5")
        assert done.code == 0, done.err
        assert spec_in(target)["dark_variance"] is None


def test_variances_of_frames(run, scan, geometry):
    variances = 2.0 * scan.images + 1.0
    with h5py.File(scan.root / "variances.h5", "w") as file:
        file["data"] = variances
    done, target = integrate(run, scan, "--variance", f"{scan.root}/variances.h5::/data")
    assert done.code == 0, done.err
    spec = aureole.IntegrationSpec(geometry, radial=aureole.Axis("q_nm^-1", NPT), error_model="variance")
    wanted = spec.plan().integrate(scan.images, variance=variances)
    np.testing.assert_allclose(rows(target)[1], wanted.sigma, rtol=1e-6)


def test_variances_that_cannot_be(scan, refused):
    with h5py.File(scan.root / "few.h5", "w") as file:
        file["data"] = np.ones((2, *scan.images[0].shape))
    common = ("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "x.h5")
    few = ("--variance", f"{scan.root}/few.h5::/data")
    assert "needs --variance" in refused(*common, "--error-model", "variance")
    assert "no use with --error-model poisson" in refused(*common, "--error-model", "poisson", *few)
    assert "2 variances for 6 frames" in refused(*common, *few)
    line = refused(
        "integrate", scan.folder, "--poni", scan.poni, "-o", scan.root / "few.h5", "--overwrite", *few
    )
    assert "is one of the inputs" in line


@pytest.mark.parametrize("name", ["list", "template", "pattern", "files", "hdf5"])
def test_ways_to_name_frames(run, scan, name):
    frames: list[object] = []
    options: list[object] = []
    if name == "list":
        listing = scan.root / "frames.txt"
        listing.write_text("\n".join(str(path.relative_to(scan.root)) for path in scan.files))
        options = ["--list", listing]
    elif name == "hdf5":
        with h5py.File(scan.root / "stack.h5", "w") as file:
            file["a/b"] = scan.images
        frames = [f"{scan.root / 'stack.h5'}::/a/b"]
    else:
        frames = {
            "template": [scan.folder / "scan_%04d.cbf"],
            "pattern": [scan.folder / "*.cbf"],
            "files": scan.files,
        }[name]
    done, target = integrate(run, scan, *options, frames=frames)
    assert done.code == 0, done.err
    _, reference = integrate(run, scan, out="reference.h5")
    np.testing.assert_array_equal(rows(target)[0], rows(reference)[0])


@pytest.mark.parametrize("ending", [".xy", ".dat", ".chi"])
def test_one_frame_to_text(run, scan, ending):
    done, target = integrate(
        run, scan, "--error-model", "poisson", frames=[scan.files[2]], out=f"pattern{ending}"
    )
    assert done.code == 0, done.err
    table = np.loadtxt(target, skiprows=4 if ending == ".chi" else 0)
    _, reference = integrate(run, scan, "--error-model", "poisson", out="reference.h5")
    have, sigma = rows(reference)
    np.testing.assert_allclose(table[:, 1], have[2], rtol=1e-6)
    np.testing.assert_allclose(table[:, 2], sigma[2], rtol=1e-6)
    if ending != ".chi":
        assert "spec: {" in target.read_text()


@pytest.mark.parametrize("source", ["header", "table", "hdf5"])
def test_monitors(run, scan, source):
    values = np.arange(6) + 1.5
    if source == "header":
        name = "Flux"
    elif source == "table":
        table = scan.root / "monitor.csv"
        table.write_text("time,i0\n" + "\n".join(f"{i},{v}" for i, v in enumerate(values)))
        name = f"{table}:i0"
    else:
        with h5py.File(scan.root / "scan.h5", "w") as file:
            file["i0"] = values
        name = f"{scan.root / 'scan.h5'}::/i0"
    done, target = integrate(run, scan, "--monitor", name)
    assert done.code == 0, done.err
    _, reference = integrate(run, scan, out="reference.h5")
    np.testing.assert_allclose(rows(target)[0] * values[:, None], rows(reference)[0], rtol=1e-6)
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file["entry/monitor/data"][()], values)
        assert file["entry/reduction/input/monitor"].asstr()[()] == name


def test_a_monitor_of_zero_makes_the_frame_bad(run, scan):
    table = scan.root / "monitor.csv"
    table.write_text("i0\n1\n2\n0\n4\nnan\n6\n")
    done, target = integrate(run, scan, "--monitor", f"{table}:i0")
    assert done.code == 1
    assert "4 of 6 frames done, 2 bad, 0 missing" in done.out
    assert "scan_0002.cbf: its monitor is 0" in done.err
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file["entry/frame_status"][()], [0, 0, 1, 0, 1, 0])


def test_frames_without_a_monitor_in_their_header_are_bad(run, scan):
    for index, line in ((1, "# Other 3"), (2, "# Flux 0 counts"), (4, "# Flux low")):
        write_cbf(scan.files[index], scan.images[index], f"{line}\r\n", overwrite=True)
    done, target = integrate(run, scan, "--monitor", "Flux")
    assert done.code == 1
    assert "3 of 6 frames done, 3 bad" in done.out
    for line in (
        "_0001.cbf: its header has no 'Flux'",
        "_0002.cbf: its monitor is 0",
        "_0004.cbf: its header",
    ):
        assert line in done.err
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file["entry/frame_status"][()], [0, 1, 1, 0, 1, 0])
        np.testing.assert_array_equal(file["entry/monitor/data"][()], [1.5, np.nan, np.nan, 4.5, np.nan, 6.5])
        assert np.isnan(file["entry/data/I"][1]).all()


def test_the_headers_are_read_with_the_frames(run, scan, monkeypatch):
    """Not in a pass of their own: on a slow disk that would double the time of a run."""
    read = []
    original = CbfFiles.header
    monkeypatch.setattr(CbfFiles, "header", lambda self, index: read.append(index) or original(self, index))
    assert integrate(run, scan, "--monitor", "Flux")[0].code == 0
    assert len(read) <= 2


def test_md5_is_checked_on_demand_only(run, scan):
    data = bytearray(scan.files[1].read_bytes())
    at = data.index(b"\x0c\x1a\x04\xd5") + 4
    data[at] = (data[at] + 1) % 100
    scan.files[1].write_bytes(data)
    assert integrate(run, scan)[0].code == 0
    done, _ = integrate(run, scan, "--check-md5", out="checked.h5")
    assert done.code == 1
    assert "MD5" in done.err


def test_errors_by_default_for_photon_counters_only(run, scan, geometry):
    named = aureole.Geometry(aureole.detector("Pilatus 100k"), 0.1, wavelength=1e-10)
    image = np.full(named.shape, 3, np.int32)
    scan.poni.write_text(aureole.geometry.format_poni(named))
    write_cbf(scan.root / "pilatus.cbf", image)
    done, target = integrate(run, scan, frames=[scan.root / "pilatus.cbf"])
    assert done.code == 0
    assert rows(target)[1] is not None
    assert done.err == ""
    with h5py.File(scan.root / "float.h5", "w") as file:
        file["data"] = image[None].astype(float)
    done, target = integrate(run, scan, frames=[f"{scan.root / 'float.h5'}::/data"], out="float.h5")
    assert done.code == 0
    assert rows(target)[1] is None
    assert "no errors, since the pixels are no integers" in done.err


def test_no_errors_for_an_unknown_detector_are_told(run, scan):
    done, target = integrate(run, scan)
    assert rows(target)[1] is None
    assert "no errors, since Detector is not known to count photons" in done.err
    assert integrate(run, scan, "--error-model", "none", out="none.h5")[0].err == ""


@pytest.mark.parametrize(
    ("kind", "mark", "words"),
    [(np.int32, -1, "are negative"), (np.uint32, 2**32 - 1, "have all bits set")],
)
def test_marks_of_gaps_under_an_unnamed_detector_are_told(run, scan, kind, mark, words):
    image = scan.images[0].astype(kind)
    image[4:6] = mark
    write_cbf(scan.files[0], image, overwrite=True)
    done, _ = integrate(run, scan, "--error-model", "none")
    assert done.code == 0
    assert f"100 pixels of the first frame {words}" in done.err
    quiet, _ = integrate(run, scan, "--error-model", "none", "--dummy", mark, out="quiet.h5")
    assert quiet.err == ""


def test_q_without_a_wavelength(run, scan, geometry, refused):
    lines = [line for line in scan.poni.read_text().splitlines() if "avelength" not in line]
    scan.poni.write_text("\n".join(lines))
    line = refused("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "x.h5")
    assert "needs a wavelength" in line
    assert integrate(run, scan, "--unit", "2th_deg", "--error-model", "none")[0].code == 0
    assert integrate(run, scan, "--wavelength", "1e-10", out="w.h5")[0].code == 0
    done, target = integrate(run, scan, "--energy", "12.398419843320026", out="e.h5")
    assert done.code == 0
    np.testing.assert_array_equal(rows(target)[0], rows(scan.out / "w.h5")[0])


def test_an_existing_output_is_replaced_on_demand(run, scan, refused):
    target = scan.out / "out.h5"
    target.write_text("precious")
    line = refused("integrate", scan.folder, "--poni", scan.poni, "-o", target, leaves=["out.h5"])
    assert "exists" in line
    assert target.read_text() == "precious"
    assert integrate(run, scan, "--overwrite")[0].code == 0
    assert rows(target)[0].shape == (6, NPT)


def test_a_failure_leaves_the_old_output_alone(run, scan, refused):
    target = scan.out / "out.h5"
    target.write_text("precious")
    scan.files[3].unlink()
    frames = scan.folder / "scan_%04d.cbf"
    options = ("--overwrite", "--strict")
    line = refused("integrate", frames, "--poni", scan.poni, "-o", target, *options, leaves=["out.h5"])
    assert "scan_0003.cbf" in line
    assert target.read_text() == "precious"


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--trim"], aureole.Trim(10, 90)),
        (["--trim", "5,80.5"], aureole.Trim(5, 80.5)),
        (["--sigma-clip"], aureole.Clip(3, 5)),
        (["--sigma-clip", "4.5"], aureole.Clip(4.5, 5)),
        (["--sigma-clip", "4,2"], aureole.Clip(4, 2)),
    ],
)
def test_robust_averages(run, scan, geometry, options, rule):
    done, target = integrate(run, scan, *options, "--error-model", "poisson")
    assert done.code == 0
    spec = aureole.IntegrationSpec(
        geometry, radial=aureole.Axis("q_nm^-1", NPT), error_model="poisson", robust=rule
    )
    wanted = spec.plan().integrate(scan.images)
    for have, want in zip(rows(target), (wanted.intensity, wanted.sigma), strict=True):
        np.testing.assert_array_equal(have, want.astype(np.float32))
    assert aureole.IntegrationSpec.from_json(json.dumps(spec_in(target))).robust == rule


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trim", "10"], "--trim takes LOW,HIGH, not '10'"),
        (["--trim", "90,10"], "0 <= low <= high <= 100"),
        (["--sigma-clip", "frame.cbf"], "FRAMES go before it"),
        (["--sigma-clip", "3,2.5"], "--sigma-clip takes SIGMA"),
        (["--sigma-clip", "0"], "above zero"),
        (["--sigma-clip", "--trim"], "not allowed with"),
    ],
)
def test_robust_averages_that_make_no_sense(refused, scan, options, message):
    needed = (scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5")
    assert message in refused("integrate", *needed, *options)


def test_xye_needs_an_error_model(run, scan, refused):
    command = ("integrate", scan.files[0], "--poni", scan.poni, "-o", scan.out / "x.xye", "--npt", 40)
    assert "no error model" in refused(*command, "--error-model", "none")
    assert run(*command, "--error-model", "poisson").code == 0
    assert np.loadtxt(scan.out / "x.xye").shape[1] == 3


def test_a_sensor_that_cannot_be_counted_with_is_refused(scan, refused):
    words = ("integrate", scan.folder, "--poni", scan.poni, "--sensor", "Si,450um", "-o", scan.out / "p.h5")
    assert "from 0.1 to 800 keV" in refused(*words, "--energy", 2000)
