"""From a series of frames to the file of a scan: a map, or a tomogram of patterns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
