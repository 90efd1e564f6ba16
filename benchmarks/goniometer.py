"""One pattern of many positions of a detector, against pyFAI's MultiGeometry; plans are in it on both sides.

Both sides start from geometries and frames in memory and make all that they need anew each time, as for a
scan that is integrated once, to bins in the same range. Every way to do it, ours too, runs in a process of
its own (some of pyFAI's end it), in turn; memory is the most that the process had, frames and modules in it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import aureole
import common
from aureole.azimuthal import MultiSpec
from common import Row

BINS = 2000
RANGE = (1.0, 75.0)
SPLITS = ("no", "bbox", "full")
ALGORITHMS = ("csr", "histogram")
SETS = {"Pilatus100k": 200, "Pilatus2M": 20}
POSE = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength")
WANTED, MOST_MIB = 5, 2048


def scene(name: str, count: int) -> tuple[list[aureole.Geometry], list[np.ndarray]]:
    """Return geometries of an arm that goes from 5 to 65 degrees, and a frame for each."""
    detector = aureole.detector(name)
    rows, columns = (size / 2 * 172e-6 for size in detector.known_shape)
    geometries = [
        aureole.Geometry(detector, 0.5, rows, columns, 0.01, -angle, 0.0, 1e-10)
        for angle in np.radians(np.linspace(5.0, 65.0, count))
    ]
    rng = np.random.default_rng(0)
    return geometries, [rng.poisson(50.0, detector.known_shape).astype(np.int32) for _ in geometries]


def of_ours(geometries: list[aureole.Geometry], frames: list[np.ndarray], split: str) -> np.ndarray:
    axis = aureole.Axis("2th_deg", BINS, RANGE)
    spec = aureole.IntegrationSpec(geometries[0], radial=axis, split=split, error_model="poisson_floor")
    result = MultiSpec.of(spec, geometries).accumulate(frames)
    return np.stack([result.intensity, result.sigma])


def of_theirs(
    geometries: list[aureole.Geometry], frames: list[np.ndarray], method: tuple[str, str], threads: int
) -> np.ndarray:
    import pyFAI.detectors
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator
    from pyFAI.multi_geometry import MultiGeometry

    name = geometries[0].detector.name
    integrators = [
        AzimuthalIntegrator(
            **{number: getattr(one, number) for number in POSE},
            detector=pyFAI.detectors.detector_factory(name),
        )
        for one in geometries
    ]
    multi = MultiGeometry(integrators, unit="2th_deg", radial_range=RANGE, threadpoolsize=threads)
    result = multi.integrate1d(frames, BINS, error_model="poisson", method=(*method, "cython"))
    return np.stack([result.intensity, result.sigma])


def run(geometries: list[aureole.Geometry], frames: list[np.ndarray], way: list[str]) -> np.ndarray:
    if way[0] == "ours":
        return of_ours(geometries, frames, way[1])
    return of_theirs(geometries, frames, (way[1], way[2]), int(way[3]))


def child(name: str, count: int, way: list[str]) -> None:
    """Do it for two positions to warm up, then for all, and tell its milliseconds and the most memory."""
    import pyFAI.multi_geometry  # noqa: F401 (what it takes to begin is not measured)

    geometries, frames = scene(name, count)
    few = (geometries[:2], frames[:2])
    for given in (few, (geometries, frames)):
        begin = perf_counter()
        run(*given, way)
        seconds = perf_counter() - begin
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"ms": seconds * 1e3, "mib": most / 1024}))


def measured(name: str, count: int, way: list[str]) -> dict[str, float] | None:
    """Run one way in a process of its own; None where that ends before it is done."""
    words = [sys.executable, str(Path(__file__)), "--child", name, str(count), *way]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def compare(name: str, count: int, repeats: int) -> dict[str, Any]:
    print(f"\n== {count} positions of a {name}")
    cores = sorted({1, common.CORES})
    ways = [["ours", split] for split in SPLITS]
    ways += [["theirs", s, a, str(t)] for s in SPLITS for a in ALGORITHMS for t in cores]
    rows = {tuple(way): Row(_title(way), lambda: 1) for way in ways}
    memory: dict[tuple[str, ...], float] = {}
    for _ in range(repeats):
        for way in list(rows):
            found = measured(name, count, list(way))
            if found is None:
                print(f"{rows.pop(way).name}: ended before it was done")
                continue
            rows[way].ms.append(found["ms"])
            memory[way] = max(memory.get(way, 0.0), found["mib"])
    width = max(len(row.name) for row in rows.values())
    for way, row in rows.items():
        print(f"{row.name:{width}}  {row.median:9.0f} ms  {row.spread:6.0f} ms  {memory[way]:6.0f} MiB")
    peers = {way: row for way, row in rows.items() if way[0] == "theirs"}
    ratios = {}
    for split in SPLITS:
        best = common.best_of([row for way, row in peers.items() if way[1] == split])
        ratios[split] = common.ratio(best, rows["ours", split])
        common.show_ratio(f"{split}, against the fastest ({best.name})", ratios[split], WANTED)
    most = max(memory["ours", split] for split in SPLITS)
    print(f"peak memory of ours, the frames and all modules in it: {most:.0f} MiB; wanted: {MOST_MIB}")
    return {
        "detector": name,
        "positions": count,
        "rows": common.rows_json(list(rows.values())),
        "ratios": ratios,
        "peak_mib": {row.name: memory[way] for way, row in rows.items()},
    }


def _title(way: list[str]) -> str:
    if way[0] == "ours":
        return f"Aureole {way[1]}"
    return f"pyFAI {way[1]} {way[2]} cython, {way[3]} thread{'s' * (way[3] != '1')}"


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        child(wanted.child[0], int(wanted.child[1]), wanted.child[2:])
        return
    repeats = 1 if wanted.quick else wanted.repeats
    share = 10 if wanted.quick else 1
    sets = [compare(name, max(2, count // share), repeats) for name, count in SETS.items()]
    common.save("goniometer", {"sets": sets})


if __name__ == "__main__":
    main()
