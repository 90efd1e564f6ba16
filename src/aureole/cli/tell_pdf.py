"""What ``aureole info`` tells of pair distribution functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from aureole.io.pdf_results import StoredPDF

if TYPE_CHECKING:
    from aureole.cli.tell_geometry import Lines


def pdf_lines(name: str) -> Lines:
    """Yield what a file of pair distribution functions is.

    Raises
    ------
    FormatError
        It cannot be read.
    """
    with StoredPDF(name) as stored:
        scale = stored.images["scale"]
        axes = ", ".join(axis.name for axis in stored.axes)
        there = int(np.count_nonzero(np.isfinite(scale)))
        yield "shape", f"{' x '.join(map(str, stored.shape))} ({axes}), {there} of them with a G(r)"
        yield "r", f"{stored.r[0]:g} to {stored.r[-1]:g} Å, {len(stored.r)} distances"
        yield "errors", "yes" if stored.has_errors else "no"
        for key, value in json.loads(stored.parameters["spec"]).items():
            if value is not None and key != "format":
                yield key, str(value)
        for key in ("source", "background"):
            if key in stored.parameters:
                yield key, stored.parameters[key]
