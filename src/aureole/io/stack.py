"""Writing frames into one NeXus HDF5 stack: bitshuffle-LZ4, one chunk a frame, verified."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.frames import EncodedFrame, Encoding, check_pixels
from aureole.io.header_columns import HeaderColumns
from aureole.io.images import to_array
from aureole.io.nexus import (
    Provenance,
    Site,
    new_entry,
    new_group,
    write_provenance,
    write_site,
)
from aureole.io.pending_hdf5 import PendingHdf5
from aureole.io.status import FrameStatus

_DATA = "/entry/instrument/detector/data"


class StackWriter:
    """An HDF5 stack of frames that appears when it is closed, after every pixel was read back and compared.

    Frames that are never written have no chunk; reading them says why. What the header of a frame says goes
    into ``/entry/instrument/detector/header``. Use it in a ``with`` block: if the
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
        self._digests: dict[int, bytes] = {}
        self._headers = HeaderColumns(frames)
        self._pending = PendingHdf5(Path(path), frames, overwrite=overwrite)
        with self._pending.or_nothing(), self._pending.writing() as file:
            entry = new_entry(file)
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

    def write(self, index: int, frame: EncodedFrame) -> None:
        """Write one frame; one that is compressed in the same way already is copied as it is.

        Raises
        ------
        FrameMissing, FrameCorrupt
            The frame cannot be decoded, or has another shape or type of pixel than the stack.
        OutputError
            The frame cannot be written.
        """
        check_pixels(frame, self._shape, self._dtype)
        image = to_array(frame)
        digest, header = _digest(image), dict(frame.header)
        with self._pending.writing() as file:
            data = file[_DATA]
            if frame.encoding is Encoding.BITSHUFFLE_LZ4:
                data.id.write_direct_chunk((index, 0, 0), bytes(frame.encoded()), 0)
            else:
                data[index] = image
            self._digests[index] = digest
            self._headers.add(index, header)
            self._pending.status[index] = FrameStatus.DONE

    def mark(self, index: int, status: FrameStatus, message: str = "") -> None:
        """Say why there is no frame of this number."""
        self._pending.mark(index, status, message)

    def close(self) -> None:
        """Complete the file, read it back, compare every pixel and give the file its name.

        Raises
        ------
        OutputError
            The file cannot be completed, or does not give back what was written; then it is not kept.
        """
        if not self._pending.closed:
            with self._pending.or_nothing(), self._pending.writing() as file:
                self._headers.write(new_group(file[_DATA].parent, "header", "NXcollection"))
        self._pending.close(self._verify)

    def _verify(self, path: Path) -> None:
        with h5py.File(path, "r") as file:
            data = file[_DATA]
            for index, digest in sorted(self._digests.items()):
                if _digest(data[index]) != digest:
                    raise self._pending.error(f"frame {index} reads back differently")

    def discard(self) -> None:
        """Give the file up; nothing is left behind."""
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
