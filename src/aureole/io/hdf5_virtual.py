"""From an HDF5 path to what really holds each frame, through links and virtual data sets.

The HDF5 library fills up with zeros, and says nothing, where a source of a virtual data set is missing or was
never written. So frames are read from the sources themselves here, modules of a detector one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NoReturn

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError, FrameCorrupt, FrameError, FrameMissing
from aureole.frames import EncodedFrame
from aureole.io.hdf5_describe import describe, images_in
from aureole.io.hdf5_files import TROUBLES, Handles, open_file, why
from aureole.io.hdf5_leaf import Leaf
from aureole.io.hdf5_links import DEEPEST, AbsentFile, beside, located
from aureole.io.hdf5_selection import Ints, Selection, has_no_limit, selection
from aureole.io.images import to_array
from aureole.io.store import LARGEST_FRAME, MOST_FRAMES, too_many


@dataclass(frozen=True)
class Gap:
    """What stands in the place of frames that are not there, or that lie in a file that is damaged."""

    path: str
    dataset: str
    reason: str
    corrupt: bool = False

    @classmethod
    def of(cls, path: str, dataset: str, error: FormatError, before: str = "") -> Gap:
        """Make it of what was raised instead of frames."""
        reason = before + str(error).removeprefix(f"{path}::{dataset}: ").removeprefix(f"{path}: ")
        return cls(path, dataset, reason, not isinstance(error, AbsentFile))

    @property
    def files(self) -> list[str]:
        """The file that names them."""
        return [self.path]

    def name(self, index: int) -> str:
        """Name one frame, for messages."""
        return f"{self.path}::{self.dataset}[{index}]" if self.dataset else self.path

    def read(self, index: int, header: object) -> NoReturn:
        """Say why there is no frame."""
        raise (FrameCorrupt if self.corrupt else FrameMissing)(self.name(index), self.reason)


@dataclass(frozen=True)
class Piece:
    """One source of a virtual data set: `target` of its frames is `source` of the frames of `table`."""

    target: Selection
    source: Selection
    table: Table | Gap


@dataclass(frozen=True)
class Mosaic:
    """Frames that are put together from parts, such as the modules of a detector.

    Attributes
    ----------
    path, dataset : str
        The virtual data set.
    shape, dtype, fill
        (slow, fast) number of pixels, their type, and the value of those that belong to no part.
    pieces : sequence of Piece
    starts, which, where : ndarray
        The parts of frame i are ``which[starts[i]:starts[i + 1]]``, each as frame ``where`` of its source.
    """

    path: str
    dataset: str
    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    fill: Any
    pieces: Sequence[Piece]
    starts: Ints
    which: Ints
    where: Ints

    @property
    def files(self) -> list[str]:
        """The file of the virtual data set and those of its sources."""
        parts = [part for piece in self.pieces for part in _parts(piece.table)]
        return [self.path, *(path for part in parts for path in part.files)]

    def name(self, index: int) -> str:
        """Name one frame, for messages."""
        return f"{self.path}::{self.dataset}[{index}]"

    def read(self, index: int, header: Mapping[str, str]) -> EncodedFrame:
        """Put one frame together.

        Raises
        ------
        FrameMissing, FrameCorrupt
            It has no parts, or one of them cannot be had.
        """
        name = self.name(index)
        places = range(self.starts[index], self.starts[index + 1])
        if not places:
            raise FrameMissing(name, _UNMAPPED)
        if prod(self.shape) * self.dtype.itemsize > LARGEST_FRAME:
            raise FrameCorrupt(name, f"{self.shape[0]} x {self.shape[1]} pixels are too large for one frame")
        image = np.full(self.shape, self.fill, self.dtype)
        for place in places:
            piece = self.pieces[self.which[place]]
            if isinstance(piece.table, Gap):
                piece.table.read(index, header)
            try:
                part = to_array(piece.table.read(int(self.where[place])))
            except FrameError as error:
                raise type(error)(name, f"a part of it, {error}") from None
            if not np.can_cast(part.dtype, self.dtype):
                raise FrameCorrupt(
                    name, f"a part of it has pixels of {part.dtype}, which {self.dtype} is not"
                )
            image[piece.target.region] = part[piece.source.region]
        return EncodedFrame.from_array(image, name, header)


Part = Leaf | Gap | Mosaic


@dataclass(frozen=True)
class Table:
    """Which part holds each frame of a series, and as which of its frames."""

    parts: Sequence[Part]
    which: NDArray[np.int32]
    where: Ints

    def __len__(self) -> int:
        return len(self.which)

    def read(self, index: int, header: Mapping[str, str] | None = None) -> EncodedFrame:
        """Read one frame; raises `FrameMissing` or `FrameCorrupt` if it cannot be had."""
        return self.parts[int(self.which[index])].read(int(self.where[index]), header or {})

    @classmethod
    def of(cls, part: Part, count: int) -> Table:
        """All frames of one part."""
        return cls([part], np.broadcast_to(np.int32(0), count), np.arange(count, dtype=np.int64))

    @classmethod
    def joined(cls, tables: Sequence[Table]) -> Table:
        """One table after the other."""
        if len(tables) == 1:
            return tables[0]
        parts = [part for table in tables for part in table.parts]
        starts = np.cumsum([0] + [len(table.parts) for table in tables[:-1]])
        which = [table.which + np.int32(start) for table, start in zip(tables, starts, strict=True)]
        return cls(parts, np.concatenate(which), np.concatenate([table.where for table in tables]))


def _parts(table: Table | Gap) -> Sequence[Part]:
    return [table] if isinstance(table, Gap) else table.parts


_UNMAPPED = "no source is mapped to this frame of the virtual data set"


_Found = tuple[Table, tuple[int, ...]]
"""What holds the frames of a data set, and its shape."""


@dataclass
class Resolver:
    """Finds what really holds the frames of data sets.

    Parameters
    ----------
    handles : Handles
        For reading them later.
    """

    handles: Handles
    _found: dict[tuple[str, str], _Found | FormatError] = field(default_factory=dict)

    def resolve(self, file: h5py.File, path: str) -> Table:
        """Find what holds the frames of a data set.

        Raises
        ------
        AbsentFile
            A link leads to a file that is not there.
        FormatError
            There is no such data set, it does not hold images, or it cannot be read.
        """
        return self._resolve(file, path, 0)[0]

    def _resolve(self, file: h5py.File, path: str, depth: int) -> _Found:
        if depth > DEEPEST:
            raise FormatError(f"{file.filename}::{path}: virtual data sets nested more than {DEEPEST} deep")
        with located(file, path) as (dataset, holder, name):
            key = (holder, name)
            if key not in self._found:
                self._found[key] = FormatError(f"{holder}::{name}: is its own source")
                self._found[key] = self._looked_at(dataset, holder, name, depth)
        found = self._found[key]
        if isinstance(found, FormatError):
            raise found
        return found

    def _looked_at(self, dataset: object, path: str, name: str, depth: int) -> _Found | FormatError:
        if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
            return FormatError(f"{path}::{name}: is no data set with values")
        try:
            if dataset.is_virtual:
                return self._virtual(dataset, path, name, depth), tuple(dataset.shape)
            leaf = describe(dataset, path, name, self.handles)
            return Table.of(leaf, len(leaf)), tuple(dataset.shape)
        except FormatError as error:
            return error
        except TROUBLES as error:
            return FormatError(f"{path}::{name}: damaged HDF5 file ({why(error)})")

    def _virtual(self, dataset: h5py.Dataset, path: str, name: str, depth: int) -> Table:
        lead, shape, dtype = images_in(dataset, path, name)
        count, left = prod(lead), MOST_FRAMES
        pieces: list[Piece] = []
        for entry in dataset.virtual_sources():
            found = self._pieces(entry, dataset, path, name, depth)
            pieces += found
            left -= sum(len(piece.target.frames) for piece in found)
            if left < 0:
                raise FormatError(f"{path}::{name}: maps more than {MOST_FRAMES:,} frames of its sources")
        there = (len(piece.target.frames) for piece in pieces if not isinstance(piece.table, Gap))
        reason = too_many(count, sum(there))
        if reason:
            raise FormatError(f"{path}::{name}: {reason}")
        if all(_is_whole(piece, shape) for piece in pieces):
            return _whole_frames(pieces, Gap(path, name, _UNMAPPED), count)
        frames = np.concatenate([piece.target.frames for piece in pieces])
        order = np.argsort(frames, kind="stable")
        lengths = [len(piece.target.frames) for piece in pieces]
        mosaic = Mosaic(
            path,
            name,
            shape,
            dtype,
            dataset.fillvalue,
            pieces,
            np.searchsorted(frames[order], np.arange(count + 1)),
            np.repeat(np.arange(len(pieces)), lengths)[order],
            np.concatenate([piece.source.frames for piece in pieces])[order],
        )
        return Table.of(mosaic, count)

    def _pieces(self, entry: Any, dataset: h5py.Dataset, path: str, name: str, depth: int) -> list[Piece]:
        """Return what one mapping of a virtual data set says; two pieces if its source is too short."""
        label = f"{path}::{name}"
        if "%b" in entry.file_name or "%b" in entry.dset_name:
            raise FormatError(
                f"{label}: its sources are numbered by a pattern ({entry.file_name}), "
                "which cannot be checked; open the source files themselves"
            )
        unclear = FormatError(
            f"{label}: maps {entry.file_name} in a way that cannot be checked; open the sources themselves"
        )
        file_name = path if entry.file_name == "." else beside(path, entry.file_name)
        table: Table | Gap
        try:
            with open_file(file_name) as file:
                table, shape = self._resolve(file, entry.dset_name, depth + 1)
        except FileNotFoundError:
            table = Gap(path, name, f"its source {file_name} is missing")
        except FormatError as error:
            table = Gap.of(path, name, error, "its source ")
        # Before the frames are counted one by one; what has no limit ends where the data set does.
        mapped = 0
        if not has_no_limit(entry.vspace):
            mapped = entry.vspace.get_select_npoints() // max(prod(dataset.shape[-2:]), 1)
        reason = too_many(mapped, 0 if isinstance(table, Gap) else len(table))
        if reason:
            raise FormatError(f"{label}: {reason}")
        target = selection(entry.vspace, dataset.shape)
        if target is None:
            raise unclear
        if not len(target):
            return []
        if isinstance(table, Gap):
            return [Piece(target, target, table)]
        source = selection(entry.src_space, shape)
        if source is None:
            raise unclear
        if (len(source.rows), len(source.columns)) != (len(target.rows), len(target.columns)):
            if len(source) == len(target):
                raise unclear
            have = f"{len(source.rows)} x {len(source.columns)}"
            reason = f"its source {file_name} has {have} of {len(target.rows)} x {len(target.columns)} pixels"
            return [Piece(target, target, Gap(path, name, reason, corrupt=True))]
        count = min(len(source.frames), len(target.frames))
        pieces = [Piece(target.first(count), source.first(count), table)]
        if count < len(target.frames):
            rest = Selection(target.frames[count:], target.rows, target.columns)
            pieces.append(
                Piece(rest, rest, Gap(path, name, f"its source {file_name} holds only {len(table)} frames"))
            )
        return pieces


def _is_whole(piece: Piece, shape: tuple[int, int]) -> bool:
    """Whether the frames of a virtual data set of this shape are frames of this source."""
    if not piece.target.is_whole(shape):
        return False
    return all(isinstance(part, Gap) or part.shape == shape for part in _parts(piece.table))


def _whole_frames(pieces: Sequence[Piece], unmapped: Gap, count: int) -> Table:
    parts: list[Part] = [unmapped]
    which, where = np.zeros(count, np.int32), np.arange(count, dtype=np.int64)
    for piece in pieces:
        target, table = piece.target.frames, piece.table
        if isinstance(table, Gap):
            which[target], where[target] = len(parts), target
        else:
            which[target] = table.which[piece.source.frames] + len(parts)
            where[target] = table.where[piece.source.frames]
        parts += _parts(table)
    return Table(parts, which, where)
