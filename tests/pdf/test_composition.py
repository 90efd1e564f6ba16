import pytest

from aureole.errors import SpecError
from aureole.pdf import Composition


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        ("LaB6", {"La": 1 / 7, "B": 6 / 7}),
        ("Ni", {"Ni": 1.0}),
        ("Ca0.5Sr0.5TiO3", {"Ca": 0.1, "Sr": 0.1, "Ti": 0.2, "O": 0.6}),
        ("(SiO2)2", {"Si": 1 / 3, "O": 2 / 3}),
        ("(SiO2)0.7(Na2O)0.3", {"Si": 0.7 / 3, "O": 1.7 / 3, "Na": 0.6 / 3}),
        ("Ca(OH)2", {"Ca": 0.2, "O": 0.4, "H": 0.4}),
        ("K[Al(OH)4]", {"K": 0.1, "Al": 0.1, "O": 0.4, "H": 0.4}),
        ("La B6", {"La": 1 / 7, "B": 6 / 7}),
        ("NaCl0", {"Na": 1.0}),
        ("HHO", {"H": 2 / 3, "O": 1 / 3}),
        ("CO", {"C": 0.5, "O": 0.5}),
        ("Co", {"Co": 1.0}),
    ],
)
def test_formula(formula, wanted):
    found = Composition.parse(formula)
    assert dict(zip(found.elements, found.fractions, strict=True)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("", "no atoms"),
        ("Ni0", "no atoms"),
        ("Xx2", "unknown element 'Xx'"),
        ("lab6", "'l' has no meaning"),
        ("(SiO2", "not closed"),
        ("SiO2)", r"'\)' has no meaning"),
        ("2La", "'2' follows no element"),
        ("La-1", "'-' has no meaning"),
        ("Pu", "only up to uranium"),
        ("La1e999", "no amount"),
    ],
)
def test_what_is_no_formula(formula, said):
    with pytest.raises(SpecError, match=said):
        Composition.parse(formula)
