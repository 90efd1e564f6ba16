"""G(r), F(q), S(q) and I(q) as text with all settings above, as programs for PDF refinement read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aureole.io.names import shown
from aureole.io.table import write_table
from aureole.pdf.spec import PDFSpec
from aureole.pdf.transform import PDF, Stages
from aureole.version import __version__

F64 = NDArray[np.float64]

STAGES = ("iq", "sq", "fq")
"""Endings of the files of what lies between I(q) and G(r)."""

_SMALLEST = 1e-9
_LABELS = {"iq": "Q(1/Å) I", "sq": "Q(1/Å) S", "fq": "Q(1/Å) F(1/Å)", "gr": "r(Å) G(1/Å^2)"}


def write_gr(
    path: Path, spec: PDFSpec, found: PDF, facts: Mapping[str, object], *, overwrite: bool = False
) -> None:
    """Write G(r) for r above zero; with errors in the four columns r, G, dr, dG.

    Parameters
    ----------
    path : path
    spec : PDFSpec
    found : PDF
        Of one pattern.
    facts : mapping
        More for the header, in the place of what the spec says: limits of q, where the pattern came from.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    """
    facts = {**facts, "scale": f"{float(found.scale):.8g}"}
    if spec.fluorescence:
        facts["fluorescence_level"] = f"{float(found.fluorescence):.8g}"
    there = found.r > 0.0
    columns = [found.r[there], found.g[there]]
    label = _LABELS["gr"]
    if found.sigma is not None:
        # Readers drop all errors if one of them is not above zero, as rounding can leave it at small r.
        errors = np.maximum(found.sigma[there], _SMALLEST * np.max(found.sigma))
        columns += [np.zeros_like(errors), errors]
        label += " dr dG"
    write_table(path, columns, header=_header(spec, "gr", facts, label), overwrite=overwrite)


def write_stage(
    path: Path, spec: PDFSpec, stages: Stages, facts: Mapping[str, object], *, overwrite: bool = False
) -> None:
    """Write I(q) less its background, S(q) or F(q), as the ending of `path` says; errors are a third column.

    Parameters
    ----------
    path : path
        Ending ``.iq``, ``.sq`` or ``.fq``.
    spec : PDFSpec
    stages : Stages
    facts : mapping
        More for the header.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    """
    kind = path.suffix[1:]
    values: F64 = getattr(stages, kind[0])
    sigma: F64 | None = getattr(stages, f"{kind[0]}_sigma")
    columns, label = [stages.q, values], _LABELS[kind]
    if sigma is not None:
        columns.append(sigma)
        label += f" d{kind[0].upper()}"
    write_table(path, columns, header=_header(spec, kind, facts, label), overwrite=overwrite)


def _header(spec: PDFSpec, kind: str, facts: Mapping[str, object], label: str) -> str:
    settings = {field.name: getattr(spec, field.name) for field in fields(spec)}
    settings["aureole_mode"] = settings.pop("mode")
    if spec.wavelength is not None:
        settings["wavelength"] = f"{spec.wavelength * 1e10:.9g}"
    told = {"outputtype": kind, "mode": "xray"} | settings | dict(facts)
    lines = ["[DEFAULT]", "", f"version = aureole-{__version__}", ""]
    lines += [f"{key} = {shown(str(value))}" for key, value in told.items() if value is not None]
    lines += ["", "# End of config " + "-" * 62, "", "#### start data", "#S 1", f"#L {label}"]
    return "\n".join(lines)
