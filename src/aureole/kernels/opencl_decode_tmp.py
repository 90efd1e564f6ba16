from dataclasses import dataclass

import numpy as np
import pyopencl as cl

from aureole.errors import FrameError
from aureole.kernels import cpu


@dataclass
class Decoded:
    buffer: object
    bad: list

    def failures(self):
        return self.bad


def decode(lane, frames, name="pixels"):
    size = frames[0].shape[0] * frames[0].shape[1] * frames[0].dtype.itemsize
    pinned = lane.pinned(name, len(frames) * size)
    bad = []
    for i, f in enumerate(frames):
        try:
            pinned[i * size : (i + 1) * size] = cpu.decode(f).reshape(-1).view(np.uint8)
            bad.append(None)
        except FrameError as e:
            bad.append(e)
    buffer = lane.buffer(name, len(frames) * size)
    cl.enqueue_copy(lane.queue, buffer, pinned, is_blocking=False)
    return Decoded(buffer, bad)
