"""Files of sparse frames, in the layout of pyFAI's sparsify: FabIO opens them as images.

``/entry/sparse_frames`` (NXdata) holds ``frame_ptr``, ``index`` and ``intensity`` (pixels of all frames, one
after the other), ``background_avg`` and ``background_std`` by frame and bin, ``radius`` of the bins, and
images: ``mask`` (the radius of each pixel, NaN where no frame has a value) and ``normalization``.
``/entry/peaks`` holds peaks by frame, as serial crystallography has them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from aureole.errors import FormatError, FrameCorrupt, FrameError, FrameMissing, SpecError
from aureole.io.hdf5_files import TROUBLES, open_file, why
from aureole.io.hdf5_links import attribute, get
from aureole.io.nexus import Provenance, Site, new_entry, new_group, write_provenance, write_site
from aureole.io.pending_hdf5 import PendingHdf5
from aureole.io.sniff import kind_of_content
from aureole.io.status import FrameStatus
from aureole.io.stored import stored, stored_text
from aureole.kernels.pick import Picking
from aureole.kernels.sparse import SparseFrame, SparseLayout, no_frame

SPARSE = "sparse_frames"
_CHUNK = 1 << 16
_SPOTS = {"peakTotalIntensity": 3, "peakXPosRaw": 2, "peakYPosRaw": 1, "peakSNR": None}


class SparseWriter:
    """A file of sparse frames that appears when it is closed. Use it in a ``with`` block.

    Parameters
    ----------
    path : path
        The file to write.
    frames : int
        How many frames it accounts for; they are written in their order.
    layout : SparseLayout
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
        layout: SparseLayout,
        *,
        provenance: Provenance | None = None,
        site: Site | None = None,
        overwrite: bool = False,
    ) -> None:
        self._layout = layout
        self._done = 0
        self._pending = PendingHdf5(Path(path), frames, overwrite=overwrite)
        with self._pending.or_nothing(), self._pending.writing() as file:
            entry = new_entry(file)
            # by its first word FabIO knows that these are sparse frames
            file.attrs["creator"] = "pyFAI's layout of sparse frames, written by aureole"
            entry.attrs["default"] = SPARSE
            entry.attrs["pyFAI_sparse_frames"] = f"/entry/{SPARSE}"
            write_site(entry, site or Site())
            process = write_provenance(entry, "sparsify", provenance or Provenance())
            # FabIO asks for this place
            note = new_group(process, "configuration", "NXnote")
            note["type"] = "text/json"
            note["data"] = json.dumps({"sparsify": {"cutoff_pick": layout.picking.cutoff}})
            process["cutoff"], process["noise"] = layout.picking.cutoff, layout.picking.noise
            _create(new_group(entry, SPARSE, "NXdata"), frames, layout)
            if layout.picking.peaks is not None:
                _create_peaks(new_group(entry, "peaks", "NXdata"), frames)

    def write(self, index: int, frame: SparseFrame) -> None:
        """Write the next frame.

        Raises
        ------
        FrameCorrupt
            Its pixels are of another type than those of the first.
        OutputError
            It cannot be written.
        """
        if frame.values.dtype != self._layout.dtype:
            raise FrameCorrupt(
                f"frame {index}", f"its pixels are {frame.values.dtype} instead of {self._layout.dtype}"
            )
        self._append(index, frame)
        with self._pending.writing():
            self._pending.status[index] = FrameStatus.DONE

    def mark(self, index: int, status: FrameStatus, message: str = "") -> None:
        """Say why there is nothing of the next frame."""
        self._append(index, no_frame(self._layout))
        self._pending.mark(index, status, message)

    def _append(self, index: int, frame: SparseFrame) -> None:
        assert index == self._done, "frames come in order"
        self._done += 1
        with self._pending.writing() as file:
            data = file[f"entry/{SPARSE}"]
            old = data["index"].shape[0]
            for name, values in (("index", frame.pixels), ("intensity", frame.values)):
                data[name].resize(old + values.size, 0)
                data[name][old:] = values
            data["frame_ptr"][index + 1] = old + frame.pixels.size
            data["background_avg"][index], data["background_std"][index] = frame.mean, frame.deviation
            if "peaks" in file["entry"]:
                _append_peaks(file["entry/peaks"], index, frame)

    def close(self) -> None:
        """Complete the file and give it its name; raises `OutputError` if it cannot be completed."""
        self._pending.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._pending.discard()


def _create(data: h5py.Group, frames: int, layout: SparseLayout) -> None:
    import hdf5plugin

    squeezed: dict[str, Any] = dict(hdf5plugin.Bitshuffle(cname="lz4"))
    bins = layout.centres.size
    data.create_dataset("frame_ptr", (frames + 1,), np.uint64)
    for name, dtype in (("index", np.dtype(np.uint32)), ("intensity", layout.dtype)):
        data.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(_CHUNK,), **squeezed)
    data["dummy"] = layout.dummy
    data["radius"] = layout.centres
    for name, image in (("mask", layout.radius), ("normalization", layout.normalization)):
        data.create_dataset(name, data=image, chunks=image.shape, **squeezed)
        data[name].attrs["interpretation"] = "image"
    for name, text in (("avg", "mean"), ("std", "standard deviation of a pixel")):
        rows = data.create_dataset(
            f"background_{name}", (frames, bins), np.float32, chunks=(min(frames, 32) or 1, bins), **squeezed
        )
        rows.attrs["interpretation"] = "spectrum"
        rows.attrs["long_name"] = f"background, {text}"
    data["errors"] = data["background_std"]
    for name in ("radius", "mask"):
        data[name].attrs["units"] = data[name].attrs["unit"] = layout.unit
    data.attrs["signal"], data.attrs["axes"] = "background_avg", [".", "radius"]


def _create_peaks(group: h5py.Group, frames: int) -> None:
    import hdf5plugin

    group.attrs["signal"] = "nPeaks"
    group.create_dataset("nPeaks", (frames,), np.int32)
    for name in _SPOTS:
        group.create_dataset(
            name,
            (frames, 0),
            np.float32,
            maxshape=(frames, None),
            chunks=(max(1, min(frames, 16)), 256),
            **hdf5plugin.Bitshuffle(cname="lz4"),
        )


def _append_peaks(group: h5py.Group, index: int, frame: SparseFrame) -> None:
    peaks = frame.peaks
    group["nPeaks"][index] = len(peaks)
    for name, column in _SPOTS.items():
        rows = group[name]
        if len(peaks) > rows.shape[1]:
            rows.resize(len(peaks), 1)
        if len(peaks):
            rows[index, : len(peaks)] = peaks[:, 3] / peaks[:, 4] if column is None else peaks[:, column]


class SparseFile:
    """A file of sparse frames, by Aureole or by pyFAI, open for reading.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    path : Path
    layout : SparseLayout
    status : ndarray of uint8, shape (frames,)
        A `FrameStatus` for each; all done where the file does not say.

    Raises
    ------
    FormatError
        The file holds no sparse frames, or its parts do not go together.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import hdf5plugin  # noqa: F401  (registers its filters)

        self.path = Path(path)
        try:
            self._file = open_file(str(path))
        except FileNotFoundError:
            raise FormatError(f"{path}: no such file") from None
        try:
            entry = self._file[_entry_of(self._file)]
            self._read(entry, entry[entry.attrs["pyFAI_sparse_frames"]])
        except (*TROUBLES, AttributeError) as error:
            self._file.close()
            raise FormatError(f"{path}: is no file of sparse frames ({why(error)})") from None
        except SpecError as error:
            self._file.close()
            raise FormatError(f"{path}: {error}") from None

    def _read(self, entry: h5py.Group, data: h5py.Group) -> None:
        self._ptr = stored(data, "frame_ptr", "ui")[()].astype(np.int64)
        frames = self._ptr.size - 1
        if self._ptr.ndim != 1:
            raise ValueError("frame_ptr is no row")
        self._index = stored(data, "index", "ui")
        self._intensity = stored(data, "intensity", "uif")
        size = self._index.shape[0]
        if frames < 0 or self._ptr[0] != 0 or self._ptr[-1] != size or np.any(np.diff(self._ptr) < 0):
            raise ValueError("frame_ptr does not fit index")
        if self._intensity.shape != (size,):
            raise ValueError("index and intensity differ in length")
        centres = stored(data, "radius")[()].astype(np.float32)
        radius = stored(data, "mask")[()].astype(np.float32)
        if radius.ndim != 2 or centres.ndim != 1 or not centres.size:
            raise ValueError("mask is no image, or radius no row")
        if not (np.diff(centres) > 0.0).all():
            raise ValueError("radius does not rise")
        self._pixels = radius.size
        self._mean = stored(data, "background_avg", shape=(frames, centres.size))
        self._deviation = stored(data, "background_std", shape=(frames, centres.size))
        norm = np.ones(radius.shape, np.float32)
        if "normalization" in data:
            norm = stored(data, "normalization", shape=radius.shape)[()].astype(np.float32)
        process = entry["sparsify"]
        ours = "cutoff" in process
        facts = process if ours else json.loads(stored_text(process, "configuration/data"))["sparsify"]
        names = ("cutoff", "noise") if ours else ("cutoff_pick", "noise")
        cutoff, noise = (float(facts[name][()] if ours else facts[name]) for name in names)
        self.layout = SparseLayout(
            radius,
            centres,
            norm,
            unit=str(data["radius"].attrs["unit"]),
            dummy=float(data["dummy"][()]),
            dtype=self._intensity.dtype,
            picking=Picking(cutoff, noise),
        )
        self.status = np.full(frames, FrameStatus.DONE, np.uint8)
        self._messages: h5py.Dataset | None = None
        if "frame_status" in entry:
            self.status = stored(entry, "frame_status", "u", shape=(frames,))[()]
            self._messages = stored(entry, "frame_message", "O", (frames,))

    @property
    def kept(self) -> int:
        """Number of pixels that are kept, in all frames together."""
        return int(self._ptr[-1])

    def __len__(self) -> int:
        return self.status.size

    def __getitem__(self, index: int) -> SparseFrame:
        """Return a frame, without its peaks.

        Raises
        ------
        FrameMissing, FrameCorrupt
            It was not there, or could not be used, when the file was made; or it cannot be read.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path} has {len(self)} frames")
        name = f"{self.path}::{index}"
        if self.status[index] != FrameStatus.DONE:
            raise self._lost(index, name)
        part = slice(int(self._ptr[index]), int(self._ptr[index + 1]))
        try:
            pixels, values = self._index[part], self._intensity[part]
            mean, deviation = self._mean[index], self._deviation[index]
        except TROUBLES as error:
            raise FrameCorrupt(name, f"cannot be read ({why(error)})") from None
        if pixels.size and int(pixels.max()) >= self._pixels:
            raise FrameCorrupt(name, f"it keeps pixel {int(pixels.max())} of {self._pixels}")
        # bins without a pixel are NaN
        if np.isinf(mean).any() or np.isinf(deviation).any() or (deviation < 0.0).any():
            raise FrameCorrupt(name, "its background is not finite, or has a negative standard deviation")
        return SparseFrame(
            pixels.astype(np.uint32), values, mean.astype(np.float32), deviation.astype(np.float32)
        )

    def _lost(self, index: int, name: str) -> FrameError:
        reason = "" if self._messages is None else str(self._messages.asstr(errors="replace")[index])
        kind = FrameMissing if self.status[index] == FrameStatus.MISSING else FrameCorrupt
        return kind(name, reason or "it was not done")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def is_sparse(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that it holds sparse frames."""
    if kind_of_content(str(path)) != "hdf5":
        return False
    try:
        with open_file(str(path)) as file:
            entry = get(file, _entry_of(file))
            return entry is not None and bool(attribute(entry, "pyFAI_sparse_frames"))
    except (*TROUBLES, FormatError):
        return False


def _entry_of(file: h5py.File) -> str:
    return attribute(file, "default") or "entry"
