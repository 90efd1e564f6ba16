"""The exceptions of Aureole.

::

    AureoleError
    ├── InputError          what the user gave cannot be used
    │   ├── GeometryError   a PONI, a detector, a wavelength
    │   ├── CalibrationError  rings that do not tell where the detector stands
    │   ├── SpecError       a request that cannot be met: ranges, shapes, units, options
    │   └── FormatError     a file that is not what it should be, as a whole
    ├── OutputError         a result that cannot be written
    ├── DeviceError         no OpenCL device, or one that is too small or was lost
    └── FrameError          one frame of a series cannot be used; the series goes on
        ├── FrameMissing    it is not there
        └── FrameCorrupt    it is there and is not what it promises

Commands exit with 2 on the first three branches, and with 1 when a run finished with frames that it could
not use.
"""

from __future__ import annotations

from errno import EMFILE, ENFILE, ENOENT

NO_MORE_FILES = (EMFILE, ENFILE)
"""What the system says to a process that has as many files open as it may: it is no frame's fault."""


class AureoleError(Exception):
    """Base of all errors that Aureole raises on purpose; its text is one line for the user."""


class InputError(AureoleError):
    """What the user gave cannot be used."""


class GeometryError(InputError):
    """A PONI file, detector or wavelength that is unknown, incomplete or contradictory."""


class CalibrationError(InputError):
    """Rings that do not tell where the detector stands: none, too few, or those of something else."""


class SpecError(InputError):
    """A request that cannot be met: an impossible range, a mask of another shape, an unknown unit."""


class FormatError(InputError):
    """A file that is not what its name or place promises."""


class OutputError(AureoleError):
    """A result that cannot be written."""


class DeviceError(AureoleError):
    """A computing device that cannot be used: none is there, it has too little memory, or it was lost."""


class FrameError(AureoleError):
    """One frame of a series cannot be used.

    Parameters
    ----------
    name : str
        Which frame: the path, with the HDF5 path and index where there are any.
    reason : str
        What is wrong with it.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type[FrameError], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class FrameMissing(FrameError):
    """The frame is not there."""


class FrameCorrupt(FrameError):
    """The frame is there, and is not what it promises."""


def refused(name: str, error: OSError) -> FrameError:
    """Return what it means for a frame that the system did not let us read it.

    Raises
    ------
    InputError
        The system had no more open files to give: that says nothing of the frame.
    """
    if error.errno in NO_MORE_FILES:
        raise InputError(
            f"{name}: too many open files; allow more (ulimit -n) or use fewer threads"
        ) from None
    if error.errno == ENOENT:
        return FrameMissing(name, "no such file")
    return FrameCorrupt(name, f"cannot be read ({error.strerror or error})")
