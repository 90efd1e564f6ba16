"""Patterns as text, whoever wrote them; what is none is refused with its line."""

import numpy as np
import pytest

from aureole.errors import FormatError, InputError
from aureole.io import read_text, write_text

DIOPTAS = """# == pyFAI calibration ==
# PONI: 8.722e-02, 8.342e-02 m
# Wavelength: 3.344e-11
#
# 2th_deg\t I
7.882808091E-03\t1.297764130E+02
2.364842239E-02\t1.376513062E+02
"""
PYFAI = """# --> saved.dat
# Distance Sample to Detector: 0.1 m
#       q_nm^-1             I            sigma
     1.0e-01   5.0e+00  0.5
     2.0e-01   6.0e+00  0.6
"""
FIT2D = """scan_00001.tif
2-Theta Angle (Degrees)
Intensity
           2
  0.5000000E+00  0.1000000E+02
  0.6000000E+00  0.1100000E+02
"""


def written(folder, text, name="pattern.xy", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "name", "unit", "first", "sigma"),
    [
        (DIOPTAS, "a.xy", "2th_deg", [7.882808091e-3, 129.776413], None),
        (PYFAI, "a.dat", "q_nm^-1", [0.1, 5.0], 0.5),
        (FIT2D, "a.chi", "2th_deg", [0.5, 10.0], None),
        ("1,2.5\r\n2,3.5\r\n", "a.csv", None, [1.0, 2.5], None),
        ("two theta; counts\n1.0; 2.5\n2.0; 3.5\n", "a.txt", None, [1.0, 2.5], None),
        ("\ufeff! XYE\n\n1 2.5 0.5\n# between\n2 nan 0.5\n", "a.xye", None, [1.0, 2.5], 0.5),
    ],
)
def test_what_others_write_is_read(tmp_path, text, name, unit, first, sigma):
    found = read_text(written(tmp_path, text, name))
    assert found.unit == unit
    assert [found.radial[0], found.intensity[0]] == first
    assert len(found.radial) == len(found.intensity) == 2
    assert sigma is None if found.sigma is None else found.sigma[0] == sigma


@pytest.mark.parametrize("ending", [".xy", ".dat", ".chi"])
def test_what_is_written_is_read(tmp_path, ending):
    radial, intensity, sigma = np.linspace(0.1, 7, 50), np.arange(50.0) - 3, np.full(50, 0.25)
    path = tmp_path / f"pattern{ending}"
    write_text(path, radial, intensity, sigma, unit="q_A^-1", header=["a title", "and more"])
    found = read_text(path)
    np.testing.assert_allclose(found.radial, radial, rtol=1e-8)
    np.testing.assert_array_equal(found.intensity, intensity)
    np.testing.assert_array_equal(found.sigma, sigma)
    assert found.unit == "q_A^-1"
    assert "a title" in found.header


def test_comments_need_not_be_unicode(tmp_path):
    assert (
        read_text(written(tmp_path, "# 2θ in °\n".replace("θ", "t") + "1 2\n2 3\n", encoding="latin-1")).unit
        is None
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,5 20,5\n1,6 21,5\n", "line 1: '1,5 20,5' has decimal commas"),
        ("# x\n1,5\t20,5\n", "line 2: .* has decimal commas"),
        ("1,5;20,5\n", "line 1: .* has decimal commas"),
        ("1 2\n1.5 abc\n", "line 2: 'abc' is no number"),
        ("1 2\ntext\n", "line 2: 'text' is no number"),
        ("1 2\n2 3 4\n", "line 2: 3 columns, wanted are 2, as above,"),
        ("1 2 3 4\n", "line 1: 4 columns, wanted are two or three"),
        ("1\n2\n", "line 1: 1 columns"),
        ("2 1\n1 1\n", "radial positions fall from 2 to 1"),
        ("nan 1\n1 1\n", "a radial position is not finite"),
        ("# nothing\n", "no columns of numbers"),
        ("", "no columns of numbers"),
        ("1 2\0\n", "is not a pattern as text"),
    ],
)
def test_what_is_no_pattern_is_refused_in_one_line(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(FormatError, match=message) as caught:
        read_text(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.xy: cannot be read \(No such file"):
        read_text(tmp_path / "none.xy")
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)
