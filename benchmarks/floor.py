"""What one frame costs at least: its bytes and operations, against what this machine does in a second.

Measured beside it, on one core and in the same run: how fast memory is copied, how fast small matrices are
multiplied, and the parts of the work: decoding alone, decoding and integrating, all of it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import fabio.compression
import numpy as np

import aureole
import common
import ours
import peers
from aureole.azimuthal import Plan
from aureole.azimuthal.plan import BATCH
from aureole.azimuthal.table import build_entries
from aureole.kernels.cpu import Table
from aureole.simulate import write_eiger_scan, write_scan
from common import BINS, Row

_COPY = 1 << 27
_MATRIX = 64
_PRODUCTS = 1000


def machine_rows() -> tuple[Row, Row]:
    source, target = np.ones(_COPY // 8), np.zeros(_COPY // 8)
    matrix, product = np.ones((2, _MATRIX, _MATRIX))

    def copy() -> int:
        np.copyto(target, source)
        return 1

    def multiply() -> int:
        # too small for the library of linear algebra to use more than one core
        for _ in range(_PRODUCTS):
            np.matmul(matrix, matrix, out=product)
        return 1

    return Row("copy of 128 MiB", copy), Row("products of matrices", multiply)


def each(work: partial, frames: list) -> int:
    for frame in frames:
        work(frame)
    return len(frames)


def decode_as_fabio(frame: aureole.EncodedFrame) -> None:
    size = frame.shape[0] * frame.shape[1]
    fabio.compression.decByteOffset(bytes(frame.encoded()), size=size, dtype=frame.dtype)


def read(source: Path) -> int:
    with aureole.open_frames(source) as series:
        return sum(1 for frame in series if frame.encoded())


def integrate(plan: Plan, frames: list[aureole.EncodedFrame]) -> int:
    result = plan.integrate(frames, threads=1)
    _ = result.intensity
    return len(frames)


def facts_of(plan: Plan, payload: float) -> dict[str, float]:
    """Return what one frame needs: bytes that move and operations."""
    pixels = plan.shape[0] * plan.shape[1]
    spec = plan.spec
    entries = build_entries(
        spec.geometry, spec.radial, spec.azimuthal, split=spec.split, mask=plan.mask
    ).entries
    return {
        "compressed_bytes": payload,
        "pixels": pixels,
        "table_entries": entries.bins.size,
        "table_bytes_a_frame": Table(entries).nbytes / BATCH,
        "output_bytes": 2 * 4 * BINS,
        "multiply_adds": 2 * entries.bins.size,
    }


def show(kind: str, source: Path, poni: Path, work: Path, repeats: int) -> dict[str, object]:
    print(f"\n== {kind}, one core")
    with aureole.open_frames(source) as series:
        frames = [replace(frame, payload=frame.encoded()) for frame in series]
    many = sorted(source.iterdir()) * 8 if source.is_dir() else source
    payload = float(np.mean([frame.nbytes for frame in frames]))
    plan, plain = (ours.spec(poni, error_model=model).plan() for model in ("poisson", None))
    copy, multiply = machine_rows()
    decode = Row("decoding alone, to an image", partial(each, aureole.decode, frames))
    if kind == "CBF":
        theirs = Row("fabio's decoder", partial(each, decode_as_fabio, frames[:8]))
    else:
        places = peers.hdf5_places(source)[:8]
        theirs = Row("h5py + hdf5plugin, reading and decoding", partial(each, peers.read_hdf5, places))
    reading = Row("reading alone", partial(read, source))
    fused = Row("decoding and integrating", partial(integrate, plain, frames))
    errors = Row("decoding and integrating, with errors", partial(integrate, plan, frames))
    whole = Row(
        "all of it: files to HDF5, with errors",
        partial(ours.run, plan, many, work / "floor.h5", threads=1),
    )
    common.measure([copy, multiply, theirs, reading, decode, fused, errors, whole], repeats)
    bandwidth = 2 * _COPY / copy.median * 1e3
    rate = _MATRIX**3 * _PRODUCTS / multiply.median * 1e3
    needs = facts_of(plan, payload)
    # Bytes of a CBF are copied from the page cache to that of the processor, and decoded there. A chunk of
    # HDF5 is copied to memory (read, write), and then read by the decoder.
    passes = 1 if kind == "CBF" else 3
    moved = passes * needs["compressed_bytes"] + needs["table_bytes_a_frame"] + 2 * needs["output_bytes"]
    memory_ms, work_ms = moved / bandwidth * 1e3, needs["multiply_adds"] / rate * 1e3
    floor = max(memory_ms, work_ms)
    for name, value in needs.items():
        print(f"{name.replace('_', ' '):22} {value:12,.0f}")
    print(
        f"memory: {bandwidth / 1e9:.1f} GB/s copied, so {memory_ms:.2f} ms for {moved / 1e6:.1f} MB a frame"
    )
    print(f"arithmetic: {rate / 1e9:.1f} G multiply-adds/s (float64), so {work_ms:.2f} ms a frame")
    rows = [theirs, reading, decode, fused, errors, whole]
    common.show_rows(rows)
    print(f"floor {floor:.2f} ms a frame; we are {whole.median / floor:.1f} times above it")
    return {
        "kind": kind,
        "needs": needs,
        "bytes_moved": moved,
        "bandwidth": bandwidth,
        "multiply_adds_per_second": rate,
        "memory_ms": memory_ms,
        "arithmetic_ms": work_ms,
        "floor_ms": floor,
        "above_floor": whole.median / floor,
        "rows": common.rows_json(rows),
    }


def main() -> None:
    wanted = common.arguments(__doc__, frames=64).parse_args()
    if wanted.quick:
        wanted.frames, wanted.repeats = 16, 2
    sets = []
    with common.scratch() as work:
        scan = write_scan(work / "cbf", wanted.frames, seed=3)
        common.warm(sorted(scan.frames.iterdir()))
        sets.append(show("CBF", scan.frames, scan.poni, work, wanted.repeats))
        eiger = write_eiger_scan(work / "eiger", wanted.frames, distinct=16, seed=3)
        common.warm(sorted(eiger.frames.parent.glob("*.h5")))
        sets.append(show("Eiger", eiger.frames, eiger.poni, work, wanted.repeats))
    common.save("floor", {"sets": sets})


if __name__ == "__main__":
    main()
