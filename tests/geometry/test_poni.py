import io
import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyFAI.detectors import ALL_DETECTORS, detector_factory
from pyFAI.detectors import Detector as Generic
from pyFAI.geometry import Geometry as PeerGeometry
from pyFAI.io.ponifile import PoniFile

from aureole.errors import GeometryError
from aureole.geometry import Detector, Geometry, Sensor, detector, format_poni, parse_poni

VERSION_1 = """\
# Nota: C-Order, 1 refers to the Y axis, 2 to the X axis
# Calibration done at Thu Jun 15 17:51:06 2017
Detector: Pilatus2M
PixelSize1: 0.000172
PixelSize2: 0.000172
Distance: 0.5
Poni1: 0.1
Poni2: 0.2
Rot1: 0.01
Rot2: -0.02
Rot3: 3e-09
Wavelength: 1.7e-11
"""
POSE = "Distance: 0.5\nPoni1: 0.1\nPoni2: 0.2\nRot1: 0.01\nRot2: -0.02\nRot3: 3e-09\n"
GENERIC = 'poni_version: 2.1\nDetector: Detector\nDetector_config: {"pixel1": 1e-4, "pixel2": 2e-4}\n' + POSE
NUMBERS = (0.5, 0.1, 0.2, 0.01, -0.02, 3e-09)


def numbers(geometry):
    return geometry.dist, geometry.poni1, geometry.poni2, geometry.rot1, geometry.rot2, geometry.rot3


def config(name, text, version="2.1"):
    return f"poni_version: {version}\nDetector: {name}\nDetector_config: {text}\n{POSE}"


def test_version_1():
    ours = parse_poni(VERSION_1)
    assert ours == Geometry(detector("Pilatus2M"), *NUMBERS, wavelength=1.7e-11)


def test_version_1_with_pixel_sizes_only():
    ours = parse_poni("PixelSize1: 1e-4\nPixelSize2: 2e-4\nSplineFile: None\n" + POSE)
    assert ours.detector == detector(pixel1=1e-4, pixel2=2e-4)
    assert ours.wavelength is None


def test_version_2_with_a_named_detector():
    ours = parse_poni(config("Pilatus CdTe 2M", "{}", "2"))
    assert ours.detector == detector("PilatusCdTe2M")


def test_version_2_without_configuration():
    assert parse_poni("poni_version: 2\nDetector: Eiger2_9M\n" + POSE).detector == detector("Eiger2_9M")


def test_version_2_with_a_generic_detector_leaves_the_shape_to_the_image():
    text = config("Detector", '{"pixel1": 0.00017199999999999998, "pixel2": 1.72e-4, "max_shape": null}', "2")
    ours = parse_poni(text)
    assert ours.detector.shape is None
    assert ours.with_shape((1679, 1475)).shape == (1679, 1475)


def test_version_2_1_has_an_orientation():
    ours = parse_poni(config("Pilatus2M", '{"orientation": 2}'))
    assert ours.detector.orientation == 2
    assert parse_poni(config("Pilatus2M", '{"orientation": 0}')).detector.orientation == 3


def test_version_3_has_a_sensor():
    text = config("Pilatus2M", '{"orientation": 3, "sensor": {"material": "Si", "thickness": 1e-3}}', "3")
    ours = parse_poni(text + "Parallax: False\n")
    assert ours.detector.sensor == Sensor("Si", 1e-3)


def test_binning():
    ours = parse_poni(config("Pilatus2M", '{"pixel1": 344e-6, "pixel2": 344e-6}')).detector
    assert ours.shape == (839, 737)
    assert parse_poni(config("Pilatus2M", '{"binning": [2, 2]}')).detector == ours
    assert parse_poni("Detector: Pilatus2M\nBinning: [2, 2]\n" + POSE).detector == ours
    assert parse_poni(config("RayonixSx165", '{"binning": 2}')).detector.shape == (2048, 2048)
    with pytest.raises(GeometryError, match="binning must be two whole numbers"):
        parse_poni(config("Pilatus2M", '{"binning": "two"}'))


def test_the_last_block_wins():
    second = VERSION_1.replace("Distance: 0.5", "Distance: 0.7").replace("Poni1: 0.1\n", "")
    ours = parse_poni(VERSION_1 + second)
    assert ours.dist == 0.7
    assert ours.poni1 == 0.1


def test_keys_in_any_case_windows_line_ends_and_byte_order_mark():
    text = "\ufeff" + VERSION_1.upper().replace("PILATUS2M", "Pilatus2M").replace("\n", "\r\n")
    assert parse_poni(text) == parse_poni(VERSION_1)


def test_foreign_keys_are_passed_over():
    assert parse_poni(VERSION_1 + "Beamline: ID99\n") == parse_poni(VERSION_1)


def test_real_files(data):
    files = sorted(data.glob("powder/**/*.poni"))
    assert files
    for path in files:
        ours, theirs = parse_poni(path.read_text()), PoniFile(str(path))
        assert numbers(ours) == (
            theirs.dist,
            theirs.poni1,
            theirs.poni2,
            theirs.rot1,
            theirs.rot2,
            theirs.rot3,
        )
        assert ours.wavelength == theirs.wavelength
        assert ours.detector.pixel1 == theirs.detector.pixel1
        assert ours.detector.shape == theirs.detector.shape


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a PONI file"),
        ("# only a comment\n", "not a PONI file"),
        (VERSION_1 + "what is this\n", "line 13: expected 'key: value', not 'what is this'"),
        (VERSION_1.replace("Poni1: 0.1", "Poni1: ten"), "line 7: Poni1 must be a number, not 'ten'"),
        (VERSION_1.replace("Poni1: 0.1", "Poni1: nan"), "line 7: Poni1 must be a finite number"),
        (VERSION_1.replace("Poni1: 0.1\n", ""), "Poni1 is missing"),
        (VERSION_1.replace("Poni1: 0.1", "Poni1: None"), "Poni1 is missing"),
        (
            VERSION_1.replace("Wavelength", "Wavelenght"),
            "line 12: unknown key 'Wavelenght': did you mean Wave",
        ),
        (VERSION_1.replace("0.5", "-0.5"), "dist must be a positive length"),
        (VERSION_1.replace("1.7e-11", "0"), "wavelength must be a positive length"),
        (VERSION_1.replace("1.7e-11", "0.17"), "in metres, such as 1e-10; did you mean 0.17e-10"),
        (VERSION_1.replace("1.7e-11", "1e30"), "wavelength 1e\\+30 is in metres"),
        (VERSION_1.replace("1.7e-11", "1_0"), "Wavelength must be a number, not '1_0'"),
        (VERSION_1.replace("0.5", "1e-308"), "a detector stands at 1e-09 to 1e\\+06 m"),
        (VERSION_1.replace("0.5", "1e9"), "a detector stands at"),
        (VERSION_1.replace("Poni1: 0.1", "Poni1: -1e12"), "poni1 -1e\\+12 .* are in metres"),
        (VERSION_1.replace("Pilatus2M", "Pilatus3M"), "line 3: unknown detector 'Pilatus3M': did you mean"),
        (VERSION_1.replace("0.000172", "0.0002"), "line 3: detector Pilatus2M has pixels of 172 µm"),
        (
            VERSION_1 + "SplineFile: frelon.spline\n",
            "line 13: the detector is described in the file 'frelon.spline'",
        ),
        ("PixelSize1: 1e-4\n" + POSE, "needs its pixel size"),
        ("poni_version: 4\n" + VERSION_1, "line 1: poni_version must be one of 1, 2, 2.1 and 3"),
        (config("Detector", "{pixel1: 1}"), "line 3: Detector_config must be JSON"),
        (config("Detector", "[1, 2]"), "Detector_config must be a JSON object"),
        (config("Detector", "{}"), "needs its pixel size"),
        (config("Detector", '{"pixel1": "1e-4", "pixel2": 1}'), "pixel1 must be a length in metres"),
        (config("Detector", '{"pixel1": -1e-4, "pixel2": 1}'), "line 2: .*pixel1 must be a positive length"),
        (config("Detector", '{"pixel1": 1e30, "pixel2": 1e-4}'), "line 2: .*pixel1 1e\\+30 is in metres"),
        (config("Detector", '{"pixel1": 172, "pixel2": 172}'), "line 2: .*pixel1 172 is in metres"),
        (config("Pilatus2M", '{"max_shape": [0, 5]}'), "two numbers of pixels"),
        (config("Pilatus2M", '{"orientation": 7}'), "orientation must be 1, 2, 3 or 4"),
        (config("Pilatus2M", '{"module_size": [10, 10]}'), "modules of"),
        (config("Pilatus2M", '{"x_offset_file": "x.cbf"}'), "distortion by the file 'x.cbf'"),
        (config("Detector", '{"splineFile": "a.spline"}'), "described in the file 'a.spline'"),
        (config("Pilatus2M", '{"curvature": 3}'), "unknown key 'curvature'"),
        (config("Pilatus2M", '{"sensor": "thick"}'), "sensor must have a material"),
        (config("NexusDetector", '{"filename": "d.h5"}'), "described in the file"),
        ("Detector: /data/d.h5\n" + POSE, "described in the file"),
        (GENERIC + "Parallax: True\n", "Parallax is a key of version 3"),
        (GENERIC + "Parallax: perhaps\n", "Parallax must be True or False"),
    ],
)
def test_malformed_files(text, message):
    with pytest.raises(GeometryError, match=message) as caught:
        parse_poni(text)
    assert "\n" not in str(caught.value)


ODD = [
    "5",
    "0",
    "-1",
    "true",
    "null",
    '"x"',
    "[]",
    "{}",
    "[1]",
    "[5, 5]",
    "[[], []]",
    "Infinity",
    "-Infinity",
]
ODD += [
    "NaN",
    "1e999",
    "[1e999, 5]",
    "[Infinity, 5]",
    "1" * 400,
    f"[{'1' * 400}, 1]",
    "1" * 5000,
    "[" * 100_000,
]
ODD += ["[1048577, 1]", "[1048576, 1048576]", '{"material": "Si", "thickness": %s}' % ("1" * 400)]


@pytest.mark.parametrize("value", ODD, ids=lambda value: value[:20])
@pytest.mark.parametrize("key", ["pixel1", "max_shape", "orientation", "sensor", "module_size", "binning"])
@pytest.mark.parametrize("name", ["Detector", "Pilatus2M", "RayonixSx165"])
def test_odd_values_are_one_line(name, key, value):
    given = {"pixel1": "1e-4", "pixel2": "1e-4"} if name == "Detector" else {}
    text = ", ".join(f'"{field}": {content}' for field, content in (given | {key: value}).items())
    said = ""
    try:
        parse_poni(config(name, f"{{{text}}}"))
    except GeometryError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 300


def test_a_module_size_that_is_one_number():
    with pytest.raises(GeometryError, match="modules of 5 pixels are not those of Pilatus2M"):
        parse_poni(config("Pilatus2M", '{"module_size": 5}'))


@pytest.mark.parametrize("shape", [(2**20 + 1, 1), (2**20, 2**20), (10**400, 5)])
def test_a_detector_larger_than_any(shape):
    with pytest.raises(GeometryError, match="no detector has a shape of"):
        detector(pixel1=1e-4, pixel2=1e-4, shape=shape)
    assert detector(pixel1=1e-4, pixel2=1e-4, shape=(1, 2**20)).shape == (1, 2**20)


@given(st.text(max_size=200))
def test_any_text_is_a_geometry_or_a_geometry_error(text):
    with suppress(GeometryError):
        parse_poni(VERSION_1 + text)


@given(
    key=st.sampled_from(["Distance", "Detector", "Detector_config", "poni_version", "Binning", "PixelSize1"]),
    value=st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            ["[]", "{}", "0", "-1", "1e999", "[1]", '{"pixel1": [1]}', '{"sensor": {"material": []}}']
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.dictionaries(
                    st.sampled_from(
                        [
                            "pixel1",
                            "max_shape",
                            "orientation",
                            "sensor",
                            "module_size",
                            "binning",
                            "pixel2",
                            "thickness",
                            "material",
                        ]
                    ),
                    inner,
                )
                | st.lists(inner, max_size=3)
            ),
            max_leaves=6,
        ).map(json.dumps),
    ),
)
def test_any_value_is_a_geometry_or_a_geometry_error(key, value):
    for text in (VERSION_1, GENERIC):
        with suppress(GeometryError):
            parse_poni(text + f"{key}: {value}\n")


finite = st.floats(-10, 10)
detectors = st.one_of(
    st.builds(
        lambda o, n: detector(n, orientation=o),
        st.integers(1, 4),
        st.sampled_from(["Pilatus2M", "Eiger2_4M"]),
    ),
    st.builds(
        lambda p, s: Detector("Detector", p, p * 1.1, s), st.floats(1e-6, 1e-2), st.just((20, 30)) | st.none()
    ),
    st.just(detector("Pilatus", shape=(619, 487))),
    st.just(detector("MAR165", shape=(1024, 1024))),
    st.just(detector("PilatusCdTe2M", sensor=Sensor("CdTe", 1e-3))),
)


@given(
    ours=st.builds(
        Geometry,
        detectors,
        st.floats(1e-3, 100.0),
        finite,
        finite,
        finite,
        finite,
        finite,
        wavelength=st.none() | st.floats(1e-12, 1e-8),
    ),
    version=st.sampled_from([1, 2, 2.1, 3]),
)
def test_round_trip(ours, version):
    if version < 2.1:
        ours = replace(ours, detector=replace(ours.detector, orientation=3))
    if version < 3:
        ours = replace(ours, detector=replace(ours.detector, sensor=None))
    if version == 1:
        if ours.detector.name == "Pilatus":
            return
        if ours.detector.name == "Detector":
            ours = replace(ours, detector=replace(ours.detector, shape=None))
    assert parse_poni(format_poni(ours, version=version)) == ours


@pytest.mark.parametrize(
    ("sensor", "version"), [(None, "2.1"), (Sensor("CdTe", 1e-3), "2.1"), (Sensor("Si", 1e-3), "3")]
)
def test_a_sensor_of_its_own_is_written(sensor, version):
    ours = Geometry(detector("PilatusCdTe2M", sensor=sensor), 0.1, wavelength=1e-10)
    text = format_poni(ours)
    assert f"poni_version: {version}\n" in text
    assert parse_poni(text).detector.known_sensor == ours.detector.known_sensor


@pytest.mark.parametrize("version", [1, 2, 2.1, 3])
@pytest.mark.parametrize(
    "pixels",
    [
        detector("Pilatus2M"),
        detector("PilatusCdTe2M", sensor=Sensor("CdTe", 1e-3)),
        detector("Eiger2_9M", orientation=2),
        detector("RayonixSx165", shape=(2048, 2048)),
        detector(pixel1=1e-4, pixel2=2e-4, shape=(30, 40), orientation=4),
    ],
    ids=lambda pixels: pixels.name,
)
def test_the_peer_reads_what_we_write(tmp_path, pixels, version):
    if version < 2.1:
        pixels = replace(pixels, orientation=3)
    ours = Geometry(pixels, *NUMBERS, wavelength=1.7e-11)
    path = tmp_path / "ours.poni"
    path.write_text(format_poni(ours, version=version))
    theirs = PoniFile(str(path))
    assert (theirs.dist, theirs.poni1, theirs.poni2, theirs.rot1, theirs.rot2, theirs.rot3) == NUMBERS
    assert theirs.wavelength == 1.7e-11
    assert theirs.detector.pixel1 == pixels.pixel1
    assert theirs.detector.orientation == pixels.orientation
    if version > 1 or pixels.name != "Detector":
        assert tuple(theirs.detector.shape) == pixels.shape
    if version == 3 and pixels.sensor:
        assert theirs.detector.sensor.thickness == 1e-3


@pytest.mark.parametrize("version", [1, 2, 2.1, 3])
@pytest.mark.parametrize(
    "name", ["Pilatus2M", "PilatusCdTe2M", "Eiger2_9M", "RayonixMx225", "Mar345", "Perkin"]
)
def test_we_read_what_the_peer_writes(tmp_path, name, version):
    theirs = PoniFile()
    theirs._detector = detector_factory(name)
    theirs._dist, theirs._poni1, theirs._poni2, theirs._rot1, theirs._rot2, theirs._rot3 = NUMBERS
    theirs._wavelength = 1.7e-11
    theirs.API_VERSION = version
    path = tmp_path / "theirs.poni"
    with path.open("w") as file:
        theirs.write(file)
    ours = parse_poni(path.read_text())
    assert ours.detector == detector(name)
    assert numbers(ours) == NUMBERS


def test_what_a_version_cannot_hold():
    ours = Geometry(detector("Pilatus2M", orientation=2), 1.0)
    with pytest.raises(GeometryError, match="version 2 has no orientation"):
        format_poni(ours, version=2)
    with pytest.raises(GeometryError, match="version 1 has no shape"):
        format_poni(Geometry(detector("Pilatus2M", shape=(195, 487)), 1.0), version=1)
    with pytest.raises(GeometryError, match="version 5 is not one of"):
        format_poni(ours, version=5)
    with pytest.raises(GeometryError, match="not in the catalogue"):
        format_poni(Geometry(Detector("mine", 1e-4, 1e-4, (5, 5), invalid=(-1,)), 1.0))


@pytest.mark.parametrize("cls", sorted(set(ALL_DETECTORS.values()) - {Generic}, key=lambda cls: cls.__name__))
def test_poni_files_of_all_detectors_there_and_back(cls, tmp_path):
    theirs = PeerGeometry(dist=0.1, poni1=0.01, rot1=0.1, detector=cls(orientation=2), wavelength=1e-10)
    text = io.StringIO()
    PoniFile(theirs).write(text)
    ours = parse_poni(text.getvalue())
    assert ours.detector == detector(cls.__name__, orientation=2)
    assert parse_poni(format_poni(ours)) == ours
    path = tmp_path / "ours.poni"
    for version in (2.1, 3):
        path.write_text(format_poni(ours, version=version))
        again = PoniFile(str(path)).detector
        assert type(again) is cls
        assert tuple(again.shape) == ours.shape
        assert again.orientation == 2
