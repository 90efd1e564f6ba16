"""Reading back what scans were made into: maps and tomograms of patterns, and images of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError
from aureole.io.grids import GridAxis
from aureole.io.hdf5_files import TROUBLES, open_file, why
from aureole.io.hdf5_layout import holds_scan
from aureole.io.sniff import kind_of_content
from aureole.io.stored import StoredRun, ratio, stored, stored_axis, stored_text
from aureole.io.stored_rows import StoredRows
from aureole.units import UNITS

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

_BLOCK_BYTES = 32 << 20
_PLACES = {"map": (["y", "x"], ["y"], ["x"], ["point"]), "tomogram": (["z", "y", "x"],)}


class StoredPattern(NamedTuple):
    """One pattern: intensity and sigma (None without errors), of the bins; of how many places with values."""

    intensity: F64
    sigma: F64 | None
    places: int = 1


class Survey(NamedTuple):
    """All patterns of a layer seen at once: the mean over bins at each place, and the mean of all places."""

    image: F64
    mean: F64


class StoredPatterns:
    """Patterns on a grid, read piece by piece.

    Attributes
    ----------
    axes : tuple of GridAxis
        Of the places, slow to fast.
    radial : StoredAxis
    """

    def __init__(self, path: Path, data: h5py.Group, spec: dict[str, Any]) -> None:
        self._path = path
        *names, radial = _names(data)
        self.axes = tuple(_axis(data, name) for name in names)
        self.radial = stored_axis(data, radial, spec["radial"])
        if self.radial.unit not in UNITS:
            raise ValueError(f"unknown unit {self.radial.unit}")
        self._rows = StoredRows(data, (*self.shape, self.radial.centres.size))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the places."""
        return tuple(axis.values.size for axis in self.axes)

    @property
    def has_errors(self) -> bool:
        """Whether there are errors."""
        return self._rows.has_errors

    def read(self, place: tuple[int, ...]) -> StoredPattern:
        """Return the pattern at a place; raises `FormatError` where it cannot be read."""
        return StoredPattern(*self._part(place))

    def survey(self, layer: int | None = None, bins: Bools | None = None) -> Survey:
        """Read all patterns, or those of a layer of the first axis, once and in bounded memory.

        Parameters
        ----------
        layer : int, optional
        bins : ndarray of bool, optional
            Which bins the image is the mean of; all without it.

        Raises
        ------
        FormatError
            They cannot be read.
        """
        shape = self.shape if layer is None else self.shape[1:]
        image = np.full(shape, np.nan)
        sums, counts = np.zeros(self.radial.centres.size), np.zeros(self.radial.centres.size, np.int64)
        for place in self._blocks(layer):
            intensity, _ = self._part(place, errors=False)
            valid = np.isfinite(intensity)
            filled = np.where(valid, intensity, 0.0)
            sums += filled.reshape(-1, sums.size).sum(0)
            counts += valid.reshape(-1, sums.size).sum(0)
            if bins is not None:
                filled, valid = filled[..., bins], valid[..., bins]
            image[place if layer is None else place[1:]] = ratio(filled.sum(-1), valid.sum(-1))
        return Survey(image, ratio(sums, counts))

    def mean(self, places: Bools, *, independent: bool) -> StoredPattern:
        """Return the mean of the patterns at some places.

        Parameters
        ----------
        places : ndarray of bool, of the shape of the places
        independent : bool
            Whether the errors of places are: then sigma is the error of the mean. Else it is the mean of the
            sigmas, which the error of the mean does not exceed, however places are correlated.

        Raises
        ------
        FormatError
            They cannot be read.
        """
        bins = self.radial.centres.size
        sums, spread, counts = np.zeros(bins), np.zeros(bins), np.zeros(bins, np.int64)
        taken = 0
        for place in self._blocks(None):
            wanted = places[place]
            if not wanted.any():
                continue
            intensity, sigma = self._part(place)
            rows = intensity[wanted]
            valid = np.isfinite(rows)
            sums += np.where(valid, rows, 0.0).sum(0)
            counts += valid.sum(0)
            taken += int(np.count_nonzero(valid.any(1)))
            if sigma is not None:
                errors = np.where(valid, sigma[wanted], 0.0)
                spread += (np.square(errors) if independent else errors).sum(0)
        mean_sigma = ratio(np.sqrt(spread) if independent else spread, counts)
        return StoredPattern(ratio(sums, counts), mean_sigma if self.has_errors else None, taken)

    def blocks(self) -> Iterator[tuple[tuple[int | slice, ...], F64, F64 | None]]:
        """Yield all patterns, some at a time: which places, intensity and sigma, each (..., bins).

        Raises
        ------
        FormatError
            They cannot be read.
        """
        for place in self._blocks(None):
            yield place, *self._part(place)

    def _part(self, place: tuple[Any, ...], *, errors: bool = True) -> tuple[F64, F64 | None]:
        try:
            return self._rows.read(place, errors=errors)
        except TROUBLES as error:
            raise FormatError(f"{self._path}: its patterns cannot be read ({why(error)})") from None

    def _blocks(self, layer: int | None) -> Iterator[tuple[int | slice, ...]]:
        """Yield selections of some rows of places at a time."""
        inner = 1 if len(self.shape) == 3 else 0
        row = 8 * int(np.prod(self._rows.shape[inner + 1 :]))
        step = max(1, _BLOCK_BYTES // max(row, 1))
        before: list[tuple[int, ...]] = [()]
        if inner:
            before = [(index,) for index in (range(self.shape[0]) if layer is None else (layer,))]
        for outer in before:
            for start in range(0, self.shape[inner], step):
                yield (*outer, slice(start, start + step))


class StoredImages:
    """Images of one kind: those of a region, of a peak, or of phases.

    Attributes
    ----------
    quantities : tuple of str
        The first is what there is most of: a total, an area, a weight.
    """

    def __init__(self, path: Path, group: h5py.Group, shape: tuple[int, ...]) -> None:
        self._path = path
        others = group.attrs.get("auxiliary_signals", [])
        self.quantities = tuple(map(str, [group.attrs["signal"], *others]))
        self._values = {name: stored(group, name, shape=shape) for name in self.quantities}
        self._errors = {
            name: stored(group, f"{name}_errors", shape=shape)
            for name in self.quantities
            if f"{name}_errors" in group
        }

    def read(self, quantity: str, layer: int | None = None) -> tuple[F64, F64 | None]:
        """Return an image, or a layer of it, and its errors; raises `FormatError` where it cannot be read."""
        where = ... if layer is None else layer
        try:
            errors = self._errors.get(quantity)
            values = self._values[quantity][where].astype(np.float64)
            return values, None if errors is None else errors[where].astype(np.float64)
        except TROUBLES as error:
            raise FormatError(f"{self._path}: its image {quantity} cannot be read ({why(error)})") from None


class StoredReconstruction(NamedTuple):
    """How slices were made of sinograms: one value a layer, or (layers, angles), and what was asked for."""

    center: F64
    spread: F64
    shifts: F64
    angles_used: Bools
    corrections: dict[str, Any]
    method: dict[str, Any]
    transmission: str | None


class StoredScan(StoredRun):
    """A file that `aureole map` or `aureole xrdct` wrote, open for reading.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    kind : {"map", "tomogram"}
    patterns : StoredPatterns
        At the places of the map, (y, x), (y,), (x,) or (point,), or of the volume, (z, y, x).
    sinogram : StoredPatterns or None
        As measured, (z, translation, rotation).
    images : dict of str to StoredImages
    frame : ndarray of int
        Number of the frame at each place of the scan, -1 where there is none: of the shape of the map, or
        (z, rotation, translation).
    points : ndarray of float64, shape (n, 2), or None
        Positions (y, x) of scattered points.
    notes : list of str
        What was odd about the scan.
    reconstruction : StoredReconstruction or None
    path, status, facts, spec, spec_json, sources, detector, wavelength
        As `StoredRun`.

    Raises
    ------
    FormatError
        The file is no such result, or its parts do not go together.
    """

    WHAT = "map or tomogram of Aureole"

    def _read(self, entry: h5py.Group) -> None:
        self.kind = "tomogram" if "sinogram" in entry else "map"
        self.patterns = StoredPatterns(self.path, entry["data"], self.spec)
        names = [axis.name for axis in self.patterns.axes]
        if names not in _PLACES[self.kind]:
            raise ValueError(f"a {self.kind} with the axes {', '.join(names)}")
        self.sinogram: StoredPatterns | None = None
        self.reconstruction: StoredReconstruction | None = None
        measured = self.patterns.shape
        if self.kind == "tomogram":
            self.sinogram = StoredPatterns(self.path, entry["sinogram"], self.spec)
            if [axis.name for axis in self.sinogram.axes] != ["z", "translation", "rotation"]:
                raise ValueError("the sinogram has other axes than z, translation and rotation")
            layers, translations, rotations = self.sinogram.shape
            if layers != measured[0]:
                raise ValueError(f"sinograms of {layers} layers, and a volume of {measured[0]}")
            measured = (layers, rotations, translations)
            self.reconstruction = _reconstruction(entry["reconstruction/parameters"], layers, rotations)
        self._read_scan(entry["scan"], measured)
        # h5py's items() holds the lock of the library while it is under way, and after an error for long.
        groups = {name: entry[name] for name in list(entry) if name not in ("data", "sinogram")}
        self.images = {
            name: StoredImages(self.path, group, self.patterns.shape)
            for name, group in groups.items()
            if group.attrs.get("NX_class") == "NXdata"
        }

    def _read_scan(self, scan: h5py.Group, measured: tuple[int, ...]) -> None:
        self.frame = np.asarray(stored(scan, "frame", "iu", measured)[()], np.int64)
        if np.any(self.frame < -1) or np.any(self.frame >= len(self.status)):
            raise ValueError("the scan names frames that do not exist")
        self.points: F64 | None = None
        if [axis.name for axis in self.patterns.axes] == ["point"]:
            self.points = np.stack([stored(scan, name, shape=measured)[()] for name in ("y", "x")], axis=1)
            if not np.isfinite(self.points).all(1).any():
                raise ValueError("not one of the points has a position")
        self.notes: list[str] = []
        if "notes" in scan:
            self.notes = [str(line) for line in np.ravel(stored(scan, "notes", "O").asstr()[()])]

    def read_frame(self, number: int) -> StoredPattern | None:
        """Return the pattern of a frame as it was measured; None where the scan has no place for it.

        Raises
        ------
        FormatError
            It cannot be read.
        """
        where = np.argwhere(self.frame == number)
        if not len(where):
            return None
        place = tuple(int(index) for index in where[0])
        if self.sinogram is None:
            return self.patterns.read(place)
        layer, rotation, translation = place
        return self.sinogram.read((layer, translation, rotation))


def is_scan_result(path: str | Path) -> bool:
    """Whether a file is one that `aureole map` or `aureole xrdct` wrote."""
    if kind_of_content(str(path)) != "hdf5":
        return False
    try:
        with open_file(str(path)) as file:
            return holds_scan(file)
    except (*TROUBLES, FormatError):
        return False


def read_scan_result(path: str | Path) -> StoredScan:
    """Open a map or a tomogram of patterns; raises `FormatError` where a file is none."""
    return StoredScan(path)


def _names(data: h5py.Group) -> list[str]:
    names = [str(name) for name in np.atleast_1d(data.attrs["axes"])]
    if not 2 <= len(names) <= 4:
        raise ValueError(f"{data.name} has {len(names)} axes")
    return names


def _axis(data: h5py.Group, name: str) -> GridAxis:
    found = stored(data, name, "fiu")
    values = np.asarray(found[()], np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"{name} has positions that are no numbers")
    return GridAxis(name, values, str(found.attrs.get("units", "")))


def _reconstruction(parameters: h5py.Group, layers: int, rotations: int) -> StoredReconstruction:
    """Read how slices were made; raises one of `TROUBLES`."""
    corrections, method, transmission = (
        json.loads(stored_text(parameters, key)) for key in ("corrections", "reconstruction", "transmission")
    )
    if not isinstance(corrections, dict) or not isinstance(method, dict):
        raise TypeError("parameters of the reconstruction are no JSON objects")
    return StoredReconstruction(
        stored(parameters, "rotation_center", shape=(layers,))[()],
        stored(parameters, "rotation_center_spread", shape=(layers,))[()],
        stored(parameters, "shifts", shape=(layers, rotations))[()],
        stored(parameters, "angles_used", "b", (layers, rotations))[()],
        corrections,
        method,
        None if transmission is None else str(transmission),
    )
