"""JSON files of pyFAI: read as pyFAI reads them, whatever their version, and given to the command line."""

import json
import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
from fabio.edfimage import EdfImage

from aureole.cli import main
from aureole.compat.pyfai.config import read_config
from aureole.compat.pyfai.config_map import read_diffmap
from aureole.errors import InputError
from aureole.io import read_scan_result
from aureole.io.results import read_result

GEOMETRY = {"dist": 0.1, "poni1": 0.02, "poni2": 0.03, "rot1": 0.05, "rot2": -0.02, "rot3": 0.1}
PONI = GEOMETRY | {"wavelength": 1e-10, "poni_version": 2.1, "detector": "Pilatus100k"}
PONI |= {"detector_config": {"orientation": 3}}
SETTINGS = {
    "nbpt_rad": 150,
    "nbpt_azim": 1,
    "unit": "2th_deg",
    "chi_discontinuity_at_0": False,
    "error_model": "poisson",
    "normalization_factor": 2.0,
}
OLDER = SETTINGS | {
    "do_mask": True,
    "mask_file": "mask.edf",
    "do_dark": True,
    "do_flat": True,
    "do_dummy": True,
    "val_dummy": -1.0,
    "delta_dummy": 0.5,
    "do_polarization": True,
    "polarization_factor": 0.9,
    "do_solid_angle": True,
    "do_radial_range": True,
    "radial_range_min": 2.0,
    "radial_range_max": 20.0,
    "do_azimuthal_range": False,
    "azimuth_range_min": -10,
    "azimuth_range_max": 10,
    "do_2D": False,
}
DARKS = ["dark.edf", "dark.edf"]

VERSIONS = {
    "unversioned": OLDER
    | GEOMETRY
    | {"wavelength": 1e-10, "detector": "pilatus100k", "pixel1": 172e-6, "pixel2": 172e-6}
    | {
        "splineFile": "",
        "method": "splitbbox",
        "dark_current": "dark.edf, dark.edf",
        "flat_field": "flat.edf",
    }
    | {"do_OpenCL": False},
    "poni named": OLDER | {"poni": "detector.poni", "dark_current": "dark.edf", "flat_field": "flat.edf"},
    "2": OLDER
    | {key: PONI[key] for key in (*GEOMETRY, "wavelength", "detector", "detector_config")}
    | {"version": 2, "application": "pyfai-integrate", "method": "full_csr"}
    | {"dark_current": DARKS, "flat_field": ["flat.edf"]},
    "3": OLDER
    | {key: PONI[key] for key in (*GEOMETRY, "wavelength", "detector", "detector_config")}
    | {"version": 3, "application": "pyfai-integrate", "method": ["no", "csr", "cython"]}
    | {"opencl_device": None, "dark_current": DARKS, "flat_field": ["flat.edf"]},
    "4": OLDER
    | {"version": 4, "application": "worker", "poni": PONI, "method": ["bbox", "csr", "cython"]}
    | {"dark_current": DARKS, "flat_field": ["flat.edf"], "integrator_name": "integrate1d_ng"},
    "5": SETTINGS
    | {"version": 5, "application": "worker", "poni": PONI, "method": ["no", "csr", "cython"]}
    | {"polarization_description": [0.9, 0.2], "val_dummy": -1.0, "delta_dummy": 0.5}
    | {"mask_file": "mask.edf", "dark_current": DARKS, "flat_field": ["flat.edf"]}
    | {"radial_range": [2.0, 20.0], "azimuth_range": None, "correct_solid_angle": True}
    | {"integrator_method": "sigma_clip_ng", "extra_options": {"thres": 4.0, "max_iter": 3}},
    "5 median": SETTINGS
    | {"version": 5, "application": "worker", "poni": PONI, "method": ["no", "csr", "cython"]}
    | {"integrator_method": "medfilt1d_ng", "extra_options": {"percentile": 50}, "error_model": None},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    shape = 195, 487
    for number in range(6):
        frame = rng.poisson(400, shape).astype(np.int32)
        frame[10, 10] = -1
        EdfImage(data=frame, header={"mon": str(1.0 + number)}).write(f"frame_{number}.edf")
    mask = np.zeros(shape, np.uint8)
    mask[100:120] = 1
    EdfImage(data=mask).write("mask.edf")
    EdfImage(data=np.full(shape, 7.0, np.float32)).write("dark.edf")
    EdfImage(data=rng.normal(1.0, 0.03, shape).astype(np.float32)).write("flat.edf")
    (tmp_path / "detector.poni").write_text(
        "Detector: Pilatus100k\nDistance: 0.1\nPoni1: 0.02\nPoni2: 0.03\nRot1: 0.05\nRot2: -0.02\nRot3: 0.1\n"
        "Wavelength: 1e-10\n"
    )
    return tmp_path


def by_pyfai(content, image):
    """Return what pyFAI's worker makes of an image."""
    from pyFAI.io.integration_config import WorkerConfig
    from pyFAI.worker import Worker

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            worker = Worker()
            worker.set_config(WorkerConfig.from_dict(dict(content)))
            worker.output = "raw"
            return worker.process(image)
        finally:
            logging.disable(logging.NOTSET)


def written(content, name="config.json"):
    Path(name).write_text(json.dumps(content))
    return name


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_means_what_pyfai_makes_of_it(folder, version):
    import fabio

    content = VERSIONS[version]
    image = fabio.open("frame_0.edf").data
    theirs = by_pyfai(content, image)
    config = read_config(written(content))
    assert config.notes == ()
    ours = config.spec().plan().integrate(image)
    np.testing.assert_allclose(ours.radial, theirs.radial, rtol=1e-5)
    full = (theirs.count > 20) & (np.arange(150) > 0) & (np.arange(150) < 149)  # ends: other rules
    rtol = 5e-2 if "median" in version else 3e-3
    np.testing.assert_allclose(ours.intensity[full], theirs.intensity[full], rtol=rtol)
    if theirs.sigma is not None and "median" not in version:
        np.testing.assert_allclose(ours.sigma[full], theirs.sigma[full], rtol=1e-2)


def test_what_is_not_carried_over_is_said(folder):
    content = VERSIONS["5"] | {"surprise": 1, "extra_options": {"thres": 4.0, "workgroup_size": 32}}
    content |= {"radial_range": [2.0, None]}
    notes = read_config(written(content)).notes
    assert any("surprise" in note and "extra_options.workgroup_size" in note for note in notes)
    assert any("radial_range" in note for note in notes)


def test_a_polarization_that_was_not_set_is_none(folder):
    """pyFAI's worker writes it as a pair without a factor."""
    given = VERSIONS["5"] | {"polarization_description": [None, 0]}
    assert read_config(written(given)).polarization is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"version": 9}, "version 9"),
        ({"application": "pyfai-calib2"}, "pyfai-calib2"),
        (SETTINGS, "no geometry"),
        ({"poni": PONI}, "nbpt_rad"),
        (SETTINGS | {"poni": PONI, "integrator_class": "FiberIntegrator"}, "fibres"),
        (SETTINGS | {"poni": PONI, "integrator_method": "separate"}, "separate"),
        ([1], "mapping"),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_line(folder, content, words):
    with pytest.raises(InputError, match=words) as caught:
        read_config(written(content))
    assert "\n" not in str(caught.value)


def test_integrate_takes_the_file_and_options_go_before(folder):
    import fabio

    content = VERSIONS["5"] | {"monitor_name": "mon", "integrator_method": None, "extra_options": None}
    name = written(content)
    frames = ["frame_0.edf", "frame_1.edf"]
    assert main(["integrate", *frames, "--pyfai-config", name, "-o", "out.h5"]) == 0
    with read_result("out.h5") as stored:
        assert stored.shape == (2, 150)
        intensity = [stored.read(frame)[0] for frame in range(2)]
    for number, row in enumerate(intensity):
        theirs = by_pyfai(content, fabio.open(frames[number]).data)
        np.testing.assert_allclose(row[1:-1], theirs.intensity[1:-1] / (number + 1), rtol=3e-3)
    again = ["integrate", *frames, "--npt", "40", "--pyfai-config", name, "--unit", "q_nm^-1", "-o", "q.h5"]
    assert main([*again, "--radial-range", "5", "20", "--poni", "detector.poni", "--energy", "20"]) == 0
    with read_result("q.h5") as stored:
        assert stored.shape == (2, 40)


def test_map_takes_frames_and_scan_from_diff_map(folder, capsys):
    content = {
        "diffmap_config_version": 1,
        "slow_motor": {"start": 0.0, "stop": 1.0, "points": 2, "name": "samz"},
        "fast_motor": {"start": 5.0, "stop": 5.4, "points": 3, "name": "samy"},
        "zigzag_scan": True,
        "offset": 0,
        "ai": VERSIONS["4"],
        "input_data": [[f"frame_{number}.edf", None, 1, None] for number in range(6)],
        "output_file": "their.h5",
    }
    assert main(["map", "--pyfai-config", written(content), "-o", "map.h5"]) == 0
    with read_scan_result("map.h5") as stored:
        assert stored.frame.tolist() == [[0, 1, 2], [5, 4, 3]]
    scan = read_diffmap("config.json")
    assert scan.shape == (2, 3)
    assert scan.zigzag
    assert scan.fast.step == pytest.approx(0.2)


def test_older_files_of_diff_map_are_read(folder):
    content = {
        "nbpt_fast": 3,
        "nbpt_slow": 2,
        "fast_motor_name": "x",
        "slow_motor_range": [0, 1],
        "npt_rad": 70,
        "offset": 1,
        "ai": VERSIONS["unversioned"],
        "input_data": [["frame_0.edf", None], "frame_1.edf", {"path": "frame_2.edf"}],
    }
    scan = read_diffmap(written(content))
    assert scan.shape == (2, 3)
    assert scan.fast.name == "x"
    assert scan.slow.step == 1.0
    assert scan.integration.npt == 70
    assert scan.frames == ("frame_1.edf", "frame_2.edf")


def test_cakes_of_a_map_are_refused(folder, capsys):
    content = {"ai": VERSIONS["4"] | {"nbpt_azim": 36, "do_2D": True}, "nbpt_fast": 6, "nbpt_slow": 1}
    content |= {"input_data": [["frame_0.edf", None]]}
    assert main(["map", "--pyfai-config", written(content), "-o", "map.h5"]) == 2
    assert "cakes" in capsys.readouterr().err
