"""Writing frames into one NeXus HDF5 stack: bitshuffle-LZ4, one chunk a frame, verified."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import OutputError, SpecError
from aureole.frames import EncodedFrame, Encoding
from aureole.io.images import to_array
from aureole.io.nexus import (
    Provenance,
    Site,
    new_entry,
    new_group,
    write_provenance,
    write_site,
    write_status,
)
from aureole.io.publish import Publication
from aureole.io.status import FrameStatus

_DATA = "/entry/instrument/detector/data"


class StackWriter:
    """An HDF5 stack of frames that appears when it is closed, after every pixel was read back and compared.

    Frames that are never written have no chunk; reading them says so. Use it in a ``with`` block: if the
    block fails, nothing is left behind.

    Parameters
    ----------
    path : path
        The file to write.
    frames : int
        How many frames it will have.
    shape : tuple of int
        (slow, fast) number of pixels.
    dtype : dtype
        Type of a pixel.
    site, provenance : Site, Provenance
        Where the frames come from.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        frames: int,
        shape: tuple[int, int],
        *,
        dtype: np.dtype[np.generic],
        provenance: Provenance | None = None,
        site: Site | None = None,
        overwrite: bool = False,
    ) -> None:
        import hdf5plugin

        self._shape, self._dtype = shape, np.dtype(dtype)
        self._lock = Lock()
        self._status = np.full(frames, FrameStatus.PENDING, np.uint8)
        self._messages: dict[int, str] = {}
        self._digests: dict[int, bytes] = {}
        self._pending = Publication(Path(path), overwrite=overwrite)
        self._file: h5py.File | None = None
        try:
            self._file = h5py.File(self._pending.temporary, "w")
            entry = new_entry(self._file)
            instrument = write_site(entry, site or Site())
            write_provenance(entry, "conversion", provenance or Provenance())
            detector = new_group(instrument, "detector", "NXdetector")
            data = detector.create_dataset(
                "data",
                (frames, *shape),
                self._dtype,
                chunks=(1, *shape),
                **hdf5plugin.Bitshuffle(cname="lz4"),
            )
            data.attrs["interpretation"] = "image"
            data.attrs["long_name"] = "counts"
            plot = new_group(entry, "data", "NXdata")
            plot.attrs["signal"] = "data"
            plot.attrs["axes"] = [".", ".", "."]
            plot.attrs["interpretation"] = "image"
            plot["data"] = data
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError):
                raise OutputError(f"{path}: cannot be written ({error})") from None
            raise

    def write(self, index: int, frame: EncodedFrame) -> None:
        """Write one frame; one that is compressed in the same way already is copied as it is.

        Raises
        ------
        SpecError
            The frame has another shape or type of pixel than the stack.
        FrameCorrupt
            The frame cannot be decoded.
        OutputError
            The frame cannot be written.
        """
        if frame.shape != self._shape or frame.dtype != self._dtype:
            mine = f"{self._shape[0]} x {self._shape[1]} pixels of {self._dtype}"
            raise SpecError(
                f"{frame.name}: {frame.shape[0]} x {frame.shape[1]} pixels of {frame.dtype}, not {mine}"
            )
        image = to_array(frame)
        digest = _digest(image)
        with self._lock:
            if self._file is None:
                raise OutputError(f"{self._pending.target}: is closed")
            data = self._file[_DATA]
            try:
                if frame.encoding is Encoding.BITSHUFFLE_LZ4:
                    data.id.write_direct_chunk((index, 0, 0), bytes(frame.payload), 0)
                else:
                    data[index] = image
            except (OSError, RuntimeError) as error:
                raise OutputError(f"{self._pending.target}: cannot be written ({error})") from None
            self._digests[index] = digest
            self._status[index] = FrameStatus.DONE

    def mark(self, index: int, status: FrameStatus, message: str = "") -> None:
        """Say why there is no frame of this number."""
        with self._lock:
            self._status[index] = status
            self._messages[index] = message

    def close(self) -> None:
        """Complete the file, read it back, compare every pixel and give the file its name.

        Raises
        ------
        OutputError
            The file cannot be completed, or does not give back what was written; then it is not kept.
        """
        if self._file is None:
            return
        try:
            write_status(self._file["entry"], self._status, self._messages)
            self._file.close()
            self._file = None
            self._verify()
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError | RuntimeError):
                raise OutputError(f"{self._pending.target}: cannot be written ({error})") from None
            raise
        self._pending.commit()

    def _verify(self) -> None:
        with h5py.File(self._pending.temporary, "r") as file:
            data = file[_DATA]
            for index, digest in sorted(self._digests.items()):
                if _digest(data[index]) != digest:
                    raise OutputError(f"{self._pending.target}: frame {index} reads back differently")

    def discard(self) -> None:
        """Give the file up; nothing is left behind."""
        if self._file is not None:
            file, self._file = self._file, None
            # A file that cannot be completed cannot be closed in order either.
            with suppress(OSError, RuntimeError):
                file.close()
        self._pending.discard()

    def __enter__(self) -> StackWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()


def _digest(image: NDArray[np.generic]) -> bytes:
    return blake2b(np.ascontiguousarray(image).reshape(-1).view(np.uint8).data, digest_size=16).digest()
