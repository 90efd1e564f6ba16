"""Slices of a tomogram: layers of patterns are reconstructed as they come, and written."""

from __future__ import annotations

import json
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.io.grids import GridAxis, write_parameters
from aureole.mapping.direct import DIRECT, direct_peaks
from aureole.mapping.images import Images
from aureole.mapping.patterns import Estimate
from aureole.mapping.scan import Scan, ScanAxis
from aureole.mapping.scan_file import ScanFile
from aureole.mapping.tomogram import Layer, prepare, tomogram
from aureole.mapping.tomography import TomographyRequest

F32 = NDArray[np.float32]

_DOUBTFUL = 1.0
"""Steps by which the methods that find the rotation axis may differ without a word."""


class _Account(NamedTuple):
    """What is known of a slice besides its patterns, which are too many to be kept: see `Tomogram`."""

    center: float
    spread: float
    shifts: NDArray[np.float64]
    kept: NDArray[np.bool_]


class Slices:
    """Takes layers of patterns in any order, and writes the volume."""

    def __init__(self, file: ScanFile, scan: Scan, request: TomographyRequest, threads: int | None) -> None:
        self._file, self._scan, self._request, self._threads = file, scan, request, threads
        self._transmission: NDArray[np.float64] | None = None
        self._made: dict[int, _Account] = {}
        self._images: dict[int, Images] = {}
        self._failed: dict[int, str] = {}
        self._notes: list[str] = []
        self._errors = False
        self.axes: tuple[GridAxis, ...] = ()

    def take(self, layer: int, intensity: F32, sigma: F32 | None) -> None:
        """Reconstruct a layer; one that cannot be does not stop the others."""
        request = self._request
        given = Layer(
            intensity,
            sigma,
            self._scan.axes[1].values,
            transmission=self._transmitted(layer),
            frame=self._scan.index[layer],
        )
        try:
            prepared = prepare(
                given,
                corrections=request.corrections,
                reconstruction=request.reconstruction,
                size=self._size(),
            )
            found = tomogram(prepared, request.reconstruction, threads=self._threads)
        except SpecError as error:
            self._failed[layer] = str(error)
            return
        if not self._made:
            z, translation = self._scan.axes[0], self._scan.axes[-1]
            self.axes = (GridAxis(z.name, z.values, z.unit), *_places(translation, len(found.intensity)))
            self._errors = found.sigma is not None
            self._file.create("data", self.axes, sigma=self._errors, long_name="intensity per step")
        self._put(layer, found.intensity, found.sigma)
        for name, window in request.direct.items():
            try:
                self._images[layer][name] = direct_peaks(
                    prepared, found, self._file.radial.values, window, threads=self._threads
                )
            except SpecError as error:
                self._notes.append(f"{self._of(layer)}{name} is empty, since {error}")
                self._images[layer][name] = _nothing(found.intensity.shape[:2])
        self._made[layer] = _Account(found.center, found.spread, found.shifts, found.kept)

    def finish(self) -> list[str]:
        """Fill the layers that could not be reconstructed, and return what the user should know.

        Raises
        ------
        SpecError
            Not one could be.
        """
        if not self._made:
            raise SpecError(next(iter(self._failed.values())))
        size, first = len(self.axes[1].values), next(iter(self._made.values()))
        for layer in self._failed:
            nothing = np.full((size, size, len(self._file.radial.values)), np.nan, np.float32)
            self._put(layer, nothing, nothing if self._errors else None)
            self._images[layer] |= {name: _nothing((size, size)) for name in self._request.direct}
            unknown = np.full(len(first.shifts), np.nan)
            self._made[layer] = _Account(np.nan, np.nan, unknown, np.zeros_like(first.kept))
        return self._notes + [note for layer in sorted(self._made) for note in self._doubts(layer)]

    def stacked(self) -> dict[str, dict[str, Estimate]]:
        """Return the images of all layers, upon each other."""
        each = [self._images[layer] for layer in sorted(self._images)]
        return {
            name: {
                what: Estimate(
                    *(np.stack(parts) for parts in zip(*(one[name][what] for one in each), strict=True))
                )
                for what in maps
            }
            for name, maps in each[0].items()
        }

    def write_account(self, entry: h5py.Group, raw_file: str) -> None:
        """Write how slices were made of sinograms."""
        made = [self._made[layer] for layer in sorted(self._made)]
        found: dict[str, object] = {
            "raw_file": raw_file,
            "rotation_center": np.array([each.center for each in made]),
            "rotation_center_spread": np.array([each.spread for each in made]),
            "shifts": np.stack([each.shifts for each in made]),
            "angles_used": np.stack([each.kept for each in made]),
        }
        found |= {key: json.dumps(value) for key, value in self._request.describe().items()}
        write_parameters(entry, "reconstruction", found)

    def _put(self, layer: int, intensity: F32, sigma: F32 | None) -> None:
        self._file.write("data", layer, intensity, sigma)
        self._images[layer] = self._request.images.make(
            self._file.radial.values, intensity, sigma, threads=self._threads
        )

    def _transmitted(self, layer: int) -> NDArray[np.float64] | None:
        given = self._request.transmission
        if given is None:
            return None
        if self._transmission is None:
            # -1, no frame, is the NaN at the end
            known = given() if callable(given) else given
            self._transmission = np.append(known, np.nan)[self._scan.index]
        found: NDArray[np.float64] = self._transmission[layer]
        return found

    def _size(self) -> int | None:
        """Return the edge of all slices, where that of the first to be made must not decide on it."""
        how, shape = self._request.reconstruction, self._scan.index.shape
        return 2 * shape[2] - 1 if how.half_acquisition and how.center is None and shape[0] > 1 else None

    def _of(self, layer: int) -> str:
        return f"layer {layer}: " if len(self._scan.axes[0].values) > 1 else ""

    def _doubts(self, layer: int) -> list[str]:
        found = self._made[layer]
        of_layer = self._of(layer)
        if layer in self._failed:
            return [f"{of_layer}not reconstructed, since {self._failed[layer]}"]
        notes = []
        if found.spread > _DOUBTFUL:
            notes.append(
                f"{of_layer}rotation center {found.center:.2f}, and the methods that find it are "
                f"{found.spread:.1f} steps apart: check it and the order of --shape, or give --center"
            )
        left_out = int(np.count_nonzero(~found.kept))
        if left_out:
            notes.append(f"{of_layer}{left_out} of {len(found.kept)} angles lack frames and are left out")
        return notes


def _nothing(shape: tuple[int, ...]) -> dict[str, Estimate]:
    """Return images of a peak that could not be fitted."""
    return dict.fromkeys(DIRECT, Estimate(np.full(shape, np.nan), np.full(shape, np.nan)))


def _places(translation: ScanAxis, size: int) -> tuple[GridAxis, GridAxis]:
    """Return y and x of the pixels of a slice, whose middle is the rotation axis."""
    step = float(np.median(np.abs(np.diff(translation.values))))
    values = (np.arange(size) - (size - 1) / 2) * step
    return GridAxis("y", values, translation.unit), GridAxis("x", values, translation.unit)
