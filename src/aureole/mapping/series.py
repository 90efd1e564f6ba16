"""From a series of frames to the file of a scan: a map, or a tomogram of patterns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Plan
from aureole.errors import OutputError, SpecError
from aureole.io.grids import GridAxis, GridEntry, new_data, write_entry, write_scan
from aureole.io.hdf5_files import TROUBLES
from aureole.io.nexus import Provenance
from aureole.io.patterns import AxisData
from aureole.io.pending_hdf5 import PendingHdf5
from aureole.io.series import Frames
from aureole.io.sniff import NEXUS_ENDINGS
from aureole.io.status import FrameStatus
from aureole.mapping.images import Images
from aureole.mapping.layers import Layers
from aureole.mapping.scan import Scan
from aureole.runs.parts import Rows
from aureole.runs.report import RunOptions, RunReport, check_output
from aureole.runs.run import Run

F32 = NDArray[np.float32]


class ScanFile:
    """The output of a scan on its way: it takes the rows of frames and gives the layers that are complete.

    Parameters
    ----------
    plan : Plan
    scan : Scan
    run : Run
    options : RunOptions
    group : str
        Name of the NXdata of patterns at the places of the scan.
    order : sequence of str
        Names of the axes of that, slow to fast.
    """
