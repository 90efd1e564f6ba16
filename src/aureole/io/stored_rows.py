"""Patterns in a result, or in the parts of the run that it points at."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.io.stored import stored

F64 = NDArray[np.float64]
Place = int | slice | tuple[int | slice, ...]

LABEL_BYTES = 512
"""Of the block before the HDF5 content of a part: its mark, checksum and number."""
MAGIC = "aureole-part-1"


class StoredRows:
    """Intensities and errors of an NXdata, read piece by piece.

    Of virtual ones the library fills up with NaN, and says nothing, where it cannot read a part. So each part
    is checked before rows of it are read for the first time.

    Parameters
    ----------
    data : h5py.Group
    shape : tuple of int, optional
        What the intensities must have.

    Attributes
    ----------
    shape : tuple of int
    has_errors : bool

    Raises
    ------
    One of `TROUBLES`, where something is not as it should be or a part is missing.
    """

    def __init__(self, data: h5py.Group, shape: tuple[int, ...] | None = None) -> None:
        self._intensity = stored(data, "I", shape=shape)
        self.shape: tuple[int, ...] = self._intensity.shape
        self.has_errors = "I_errors" in data
        self._sigma = stored(data, "I_errors", shape=self.shape) if self.has_errors else None
        self._parts = _Parts(self._intensity) if self._intensity.is_virtual else None

    def read(self, place: Place, *, errors: bool = True) -> tuple[F64, F64 | None]:
        """Return intensity and sigma (None where there is none, or without `errors`) at some places.

        Raises one of `TROUBLES`: they cannot be read, or a part that has them is damaged.
        """
        if self._parts is not None:
            self._parts.check(place if isinstance(place, tuple) else (place,))
        sigma = self._sigma[place].astype(np.float64) if errors and self._sigma is not None else None
        return self._intensity[place].astype(np.float64), sigma


class _Parts:
    """The parts that a virtual data set points at."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._shape = dataset.shape
        self._folder = Path(dataset.file.filename).parent
        mappings = dataset.virtual_sources()
        self._names = np.array([one.file_name.replace("%%", "%") for one in mappings], dtype=object)
        # first and last place of each, along every axis
        self._boxes = np.array([one.vspace.get_select_bounds() for one in mappings], np.int64)
        self._sound: set[str] = set()
        for name in dict.fromkeys(self._names):
            if not (self._folder / name).is_file():
                raise OSError(f"its part {name} is missing: 'aureole resume' makes it again")

    def check(self, place: tuple[int | slice, ...]) -> None:
        """Raise OSError if a part that has rows of a place is damaged."""
        wanted = np.ones(len(self._boxes), bool)
        for axis, chosen in enumerate(place):
            length = self._shape[axis]
            start, stop, _ = (chosen if isinstance(chosen, slice) else slice(chosen, chosen + 1)).indices(
                length
            )
            wanted &= (self._boxes[:, 0, axis] < stop) & (self._boxes[:, 1, axis] >= start)
        for name in dict.fromkeys(self._names[wanted]):
            if name not in self._sound:
                if not _is_sound(self._folder / name):
                    raise OSError(f"its part {name} is damaged: 'aureole resume' makes it again")
                self._sound.add(name)


def _is_sound(path: Path) -> bool:
    """Whether a part has the checksum that stands in its label; raises OSError if it cannot be read."""
    with path.open("rb") as file:
        magic, checksum, *_ = file.read(LABEL_BYTES).decode("ascii", "replace").split() or ("", "")
        return magic == MAGIC and hashlib.file_digest(file, "sha256").hexdigest() == checksum
