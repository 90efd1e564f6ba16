"""What all outputs of runs share: how they came about, and how their rows are found again."""

from __future__ import annotations

import json
from zlib import crc32

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Plan
from aureole.io.made_by import MadeBy
from aureole.io.nexus import Provenance
from aureole.runs.parts import Rows
from aureole.runs.report import RunOptions
from aureole.runs.run import Run
from aureole.version import __version__


def provenance(plan: Plan, run: Run, options: RunOptions) -> Provenance:
    """Return how the output of a run came about."""
    spec = plan.spec
    parameters = {
        "error_model": spec.error_model or "none",
        "split": spec.split,
        "backend": plan.computed_by,
        "spec_sha256": spec.digest,
        "plan_sha256": plan.digest,
        "request_sha256": run.request,
        "patterns_sha256": run.patterns,
        "virtual": options.virtual,
        "command": json.dumps(options.command),
        **options.parameters,
    }
    return Provenance(
        spec=spec.to_json(),
        sources=run.manifest.sources,
        parameters=parameters,
        arrays={name: named.array for name, named in spec.embedded.items()},
        note=f"made by aureole {__version__}; sigma is the standard error of the mean",
    )


def rows_in(
    entry: h5py.Group, frames: range, intensity: NDArray[np.float32], sigma: NDArray[np.float32] | None
) -> Rows:
    """Return rows that were found in an output, with what its entry says of their frames."""
    part = slice(frames.start, frames.stop)
    status = entry["frame_status"][part]
    texts = entry["frame_message"].asstr(errors="replace")
    messages = {frames[row]: str(texts[frames[row]]) for row in np.flatnonzero(status)}
    monitor = entry["monitor/data"][part] if "monitor" in entry else None
    made_by = MadeBy.read(entry, part)
    if made_by is None:
        raise ValueError("it is not known what made its rows")
    return Rows(frames, intensity, status, made_by, sigma, monitor, messages)


def checksum(values: NDArray[np.float32]) -> int:
    """Return what tells whether rows read back as they were written; not whether somebody meant harm."""
    return crc32(np.ascontiguousarray(values).data)
