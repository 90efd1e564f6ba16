"""How it went with each frame of a run."""

from enum import IntEnum


class FrameStatus(IntEnum):
    """What ``/entry/frame_status`` says of a frame; the rows of all that are not done are NaN."""

    DONE = 0
    BAD = 1
    """It is there and cannot be used; ``/entry/frame_message`` says why."""
    MISSING = 2
    PENDING = 3
