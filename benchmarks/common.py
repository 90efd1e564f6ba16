"""What the benchmarks share: interleaved timing, tables, JSON, a place for data."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import fabio
import h5py
import numpy as np

from aureole.threads import available_threads

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench-results"
REAL = ROOT.parent / "shared" / "data" / "powder"
BINS = 1000
UNIT = "q_nm^-1"
CORES = available_threads()


def mask_beside(poni: Path) -> np.ndarray | None:
    """Return the mask that lies beside a PONI, if one does: true where pixels are left out."""
    path = poni.with_name("mask.edf")
    return fabio.open(str(path)).data != 0 if path.exists() else None


@dataclass
class Row:
    """One way to do the work: `run` does it and returns how many units (frames) it did."""

    name: str
    run: Callable[[], int]
    ms: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.ms)

    @property
    def spread(self) -> float:
        """Median absolute deviation from the median."""
        return statistics.median(abs(value - self.median) for value in self.ms)


def measure(rows: Sequence[Row], repeats: int, *, warm: bool = True) -> None:
    """Time every row once in each repeat, in turn, so that all see the same weather; after a run untimed."""
    for row in rows if warm else ():
        row.run()
    for _ in range(repeats):
        for row in rows:
            begin = perf_counter()
            done = row.run()
            row.ms.append((perf_counter() - begin) / done * 1e3)


def best_of(rows: Sequence[Row]) -> Row:
    return min(rows, key=lambda row: row.median)


def ratio(slow: Row, fast: Row) -> dict[str, float]:
    """How many times faster: of each repeat on its own, then the median and the extremes."""
    each = [a / b for a, b in zip(slow.ms, fast.ms, strict=True)]
    return {"median": statistics.median(each), "lowest": min(each), "highest": max(each)}


def show_rows(rows: Sequence[Row], baseline: Row | None = None, *, rate: bool = True) -> None:
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}}  {'median':>9}  {'spread':>8}" + ("   frames/s" if rate else ""), end="")
    print("    times faster" if baseline else "")
    for row in rows:
        line = f"{row.name:{width}}  {row.median:6.2f} ms  {row.spread:5.2f} ms"
        line += f"  {1e3 / row.median:9.1f}" if rate else ""
        if baseline is not None:
            line += f"  {ratio(baseline, row)['median']:12.1f}"
        print(line)


def show_ratio(what: str, value: dict[str, float], wanted: float | None = None) -> None:
    verdict = ""
    if wanted is not None:
        verdict = f"   wanted: {wanted:g}, " + ("reached" if value["median"] >= wanted else "NOT REACHED")
    print(f"{what}: {value['median']:.1f} times ({value['lowest']:.1f} to {value['highest']:.1f}){verdict}")


def rows_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    return [
        {"name": row.name, "median_ms": row.median, "mad_ms": row.spread, "all_ms": row.ms} for row in rows
    ]


def save(name: str, facts: dict[str, object]) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"benchmark": name, "machine": machine(), **facts}, indent=1) + "\n")
    print(f"written to {path}\n")


def machine() -> dict[str, object]:
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = found[0].partition(":")[2].strip() if found else model
    import pyFAI

    return {
        "processor": model,
        "cores": CORES,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pyFAI": pyFAI.version,
        "fabio": fabio.version,
        "h5py": h5py.__version__,
    }


def arguments(description: str | None, **numbers: int) -> argparse.ArgumentParser:
    """Return a parser with ``--repeats``, ``--quick`` and the given numbers as options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=5, help="of each measurement (default 5)")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that it works, measures little"
    )
    for name, value in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value, help=f"default {value}")
    return parser


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder on the disk of the project that is removed afterwards."""
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RESULTS, prefix="scratch-") as folder:
        yield Path(folder)


def warm(files: Sequence[Path]) -> None:
    """Bring files into the page cache, and what is dirty there to the disk."""
    os.sync()
    for path in files:
        path.read_bytes()


def escape_fraction(path: Path) -> float:
    """Return how many of a frame's pixel differences do not fit into one byte of a CBF."""
    pixels = fabio.open(path).data.reshape(-1).astype(np.int64)
    return float(np.mean(np.abs(np.diff(pixels)) > 127))


def describe_cbfs(files: Sequence[Path]) -> dict[str, float]:
    facts = {
        "files": len(files),
        "bytes_a_frame": float(np.mean([path.stat().st_size for path in files])),
        "escape_fraction": float(
            np.mean([escape_fraction(path) for path in files[:: max(1, len(files) // 4)]])
        ),
    }
    print(
        f"{facts['files']} files, {facts['bytes_a_frame'] / 1e6:.2f} MB a frame, "
        f"{facts['escape_fraction'] * 100:.1f} % escapes"
    )
    return facts
