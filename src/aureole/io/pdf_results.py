"""HDF5 files of pair distribution functions: G(r) at all places of a map, a tomogram or a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError
from aureole.io.grids import GridAxis, new_data, write_images, write_parameters
from aureole.io.hdf5_files import TROUBLES, open_file, why
from aureole.io.nexus import new_entry
from aureole.io.pending_hdf5 import PendingHdf5
from aureole.io.sniff import kind_of_content
from aureole.io.stored import stored, stored_text

F64 = NDArray[np.float64]

_SIGNAL = "G"
_MOST_AXES = 4


class PDFWriter:
    """A file of G(r) that appears, whole, when it is closed; `with` discards it where something goes wrong.

    Parameters
    ----------
    path : path
    axes : sequence of GridAxis
        Of the places, slow to fast.
    r : ndarray, shape (nr,)
        In Å.
    sigma : bool
        Whether there are errors.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    """

    def __init__(
        self, path: str | Path, axes: Sequence[GridAxis], r: F64, *, sigma: bool, overwrite: bool = False
    ) -> None:
        self._axes = tuple(axes)
        self._sigma = sigma
        self._pending = PendingHdf5(path, 0, overwrite=overwrite)
        distance = GridAxis("r", r, "angstrom", "Distance r (Å)")
        with self._pending.or_nothing(), self._pending.writing() as file:
            entry = new_entry(file)
            entry["title"] = "pair distribution functions"
            new_data(
                entry, "data", (*self._axes, distance), sigma=sigma, long_name="G(r)", signal=_SIGNAL,
                units="1/angstrom^2",
            )  # fmt: skip

    def write(self, place: tuple[Any, ...], g: F64, sigma: F64 | None) -> None:
        """Write G(r) at some places; raises `OutputError` where the disk refuses."""
        with self._pending.or_nothing(), self._pending.writing() as file:
            data = file["entry/data"]
            data[_SIGNAL][place] = g.astype(np.float32)
            if self._sigma and sigma is not None:
                data[f"{_SIGNAL}_errors"][place] = sigma.astype(np.float32)

    def close(self, images: Mapping[str, F64], parameters: Mapping[str, object]) -> None:
        """Write images of all places, and how G(r) was made, and give the file its name.

        Raises
        ------
        OutputError
            The disk refuses, or a file of that name has come into being meanwhile.
        """
        with self._pending.or_nothing(), self._pending.writing() as file:
            entry = file["entry"]
            nothing = np.full([len(axis.values) for axis in self._axes], np.nan)
            for name, values in images.items():
                write_images(entry, name, self._axes, {name: (values, nothing)})
            write_parameters(entry, "pdf", parameters)
        self._pending.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pending.discard()


class StoredPDF:
    """A file that `PDFWriter` wrote, open for reading.

    Attributes
    ----------
    path : Path
    axes : tuple of GridAxis
        Of the places, slow to fast.
    r : ndarray, shape (nr,)
    parameters : dict of str to str
        How G(r) was made; ``spec`` is the request as JSON.
    images : dict of str to ndarray
        Of the shape of the places.

    Raises
    ------
    FormatError
        The file is none, or its parts do not go together.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file = open_file(str(path))
        except FileNotFoundError:
            raise FormatError(f"{path}: no such file") from None
        try:
            self._read(self._file["entry"])
        except (*TROUBLES, AttributeError) as error:
            self._file.close()
            raise FormatError(f"{path}: holds no pair distribution functions ({why(error)})") from None

    def _read(self, entry: h5py.Group) -> None:
        data = entry["data"]
        names = [str(name) for name in np.atleast_1d(data.attrs["axes"])]
        if not 1 <= len(names) <= _MOST_AXES or names[-1] != "r":
            raise ValueError(f"its axes are {', '.join(names)}")
        values = [np.asarray(stored(data, name, "fiu")[()], np.float64) for name in names]
        self.axes = tuple(GridAxis(*pair) for pair in zip(names[:-1], values[:-1], strict=True))
        self.r: F64 = values[-1]
        self._g = stored(data, _SIGNAL, shape=tuple(map(len, values)))
        errors = f"{_SIGNAL}_errors"
        self._sigma = stored(data, errors, shape=self._g.shape) if errors in data else None
        parameters = entry["pdf/parameters"]
        self.parameters = {name: stored_text(parameters, name) for name in list(parameters)}
        groups = {name: entry[name] for name in list(entry) if name != "data"}
        self.images = {
            name: np.asarray(stored(group, name, shape=self.shape)[()], np.float64)
            for name, group in groups.items()
            if group.attrs.get("NX_class") == "NXdata"
        }

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the places."""
        return tuple(axis.values.size for axis in self.axes)

    @property
    def has_errors(self) -> bool:
        """Whether there are errors."""
        return self._sigma is not None

    def read(self, place: tuple[int | slice, ...]) -> tuple[F64, F64 | None]:
        """Return G(r) and its errors at a place; raises `FormatError` where they cannot be read."""
        try:
            sigma = None if self._sigma is None else self._sigma[place].astype(np.float64)
            return self._g[place].astype(np.float64), sigma
        except TROUBLES as error:
            raise FormatError(f"{self.path}: G(r) cannot be read ({why(error)})") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def is_pdf_result(path: str | Path) -> bool:
    """Whether a file is one of pair distribution functions of Aureole."""
    if kind_of_content(str(path)) != "hdf5":
        return False
    try:
        with open_file(str(path)) as file:
            return "entry/pdf/parameters/spec" in file and f"entry/data/{_SIGNAL}" in file
    except (*TROUBLES, FormatError):
        return False
