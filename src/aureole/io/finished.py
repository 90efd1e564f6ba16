"""What an output says of the run that made it: enough to tell whether anything is left to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError
from aureole.io.hdf5_files import TROUBLES, open_file
from aureole.io.nexus import ABSENT, Source
from aureole.io.sniff import kind_of_content


class Finished(NamedTuple):
    """The account of a run in its output.

    Attributes
    ----------
    request : str
        SHA-256 of what was asked for.
    sources : list of Source
    status : ndarray of uint8, shape (frames,)
    virtual : bool
        Whether the patterns lie in the parts of the run.
    command : dict
        How the run was begun; empty if from Python.
    table : str
        Digest of the table that made the patterns.
    patterns : str
        SHA-256 of what was asked for of the patterns alone.
    """

    request: str
    sources: list[Source]
    status: NDArray[np.uint8]
    virtual: bool
    command: dict[str, Any]
    table: str
    patterns: str


def _text(process: h5py.Group, name: str) -> str:
    return str(process[f"input/{name}"].asstr()[()])


def read_finished(path: str | Path) -> Finished | None:
    """Read the account of an output; None where it has none."""
    if kind_of_content(str(path)) != "hdf5":
        return None
    try:
        with open_file(str(path)) as file:
            entry = file["entry"]
            process = entry["reduction"]
            paths = process["sources"].asstr()[()]
            facts = [
                [None if value == ABSENT else int(value) for value in process[f"source_{name}"][()]]
                for name in ("bytes", "mtime_ns")
            ]
            status = entry["frame_status"][()].astype(np.uint8)
            return Finished(
                _text(process, "request_sha256"),
                [Source(*source) for source in zip(map(str, paths), *facts, strict=True)],
                status,
                bool(process["input/virtual"][()]),
                json.loads(_text(process, "command")),
                _text(process, "plan_sha256"),
                _text(process, "patterns_sha256"),
            )
    except (*TROUBLES, AttributeError, FormatError):
        return None
