"""Which backend made the patterns of each frame: a run may be begun on one and finished on another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

_NAME = "frame_backend"
NOBODY = -1


@dataclass(eq=False)
class MadeBy:
    """Who made each of some consecutive frames.

    Attributes
    ----------
    names : list of str
        Backends, with the names of their devices.
    numbers : ndarray of int16, shape (frames,)
        Which of them it was; -1 where a frame is not done.
    """

    names: list[str]
    numbers: NDArray[np.int16]

    @classmethod
    def nobody(cls, frames: int) -> MadeBy:
        """Return the account of frames that are not done."""
        return cls([], np.full(frames, NOBODY, np.int16))

    def put(self, at: NDArray[np.intp], name: str) -> None:
        """Note who made the frames at some places."""
        self.numbers[at] = self._number(name)

    def take(self, first: int, other: MadeBy) -> None:
        """Note what another account says of the frames from a place on."""
        mine = np.array([*map(self._number, other.names), NOBODY], np.int16)
        self.numbers[first : first + len(other.numbers)] = mine[other.numbers]

    def _number(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def told(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each that made a frame, and in words which frames those are."""
        for number, name in enumerate(self.names):
            mine = np.flatnonzero(self.numbers == number)
            if mine.size:
                yield name, _words(mine)

    def write(self, group: h5py.Group) -> None:
        """Write it into the entry of a result, or into a part."""
        numbers = group.create_dataset(_NAME, data=self.numbers)
        numbers.attrs.create("names", self.names, shape=(len(self.names),), dtype=h5py.string_dtype())
        numbers.attrs["long_name"] = ", ".join([*map("{} {}".format, range(len(self.names)), self.names)])

    @classmethod
    def read(cls, group: h5py.Group, place: slice = slice(None)) -> MadeBy | None:
        """Read what `write` wrote, of some frames; None where nothing was written.

        Raises one of `aureole.io.hdf5_files.TROUBLES`.
        """
        if _NAME not in group:
            return None
        found = group[_NAME]
        if not isinstance(found, h5py.Dataset) or found.dtype.kind != "i":
            raise TypeError(f"{_NAME} is no data set of numbers")
        names = [str(name) for name in np.ravel(found.attrs["names"])]
        numbers = np.asarray(found[place], np.int16)
        if numbers.ndim != 1 or np.any(numbers < NOBODY) or np.any(numbers >= len(names)):
            raise ValueError(f"{_NAME} holds unknown numbers")
        return cls(names, numbers)


def _words(frames: NDArray[np.intp], most: int = 4) -> str:
    """Return how many frames these are, and which: the first of their spans."""
    ends = np.flatnonzero(np.diff(frames) > 1)
    firsts, lasts = frames[[0, *(ends + 1)]], frames[[*ends, -1]]
    spans = [
        str(first) if first == last else f"{first} to {last}"
        for first, last in zip(firsts[:most], lasts[:most], strict=True)
    ]
    more = ", ..." if len(firsts) > most else ""
    return f"{len(frames)} frame{'s' * (len(frames) != 1)} ({', '.join(spans)}{more})"
