"""Robust averages of spotty rings: CBF files in the page cache to patterns with errors, 1000 bins.

Trimming between the percentiles 10 and 90, and clipping at 3 sigma in 5 iterations, against pyFAI's
medfilt1d_ng and sigma_clip_ng: fabio reads without checking the MD5, csr and cython, OpenMP on all cores or
threads that each read and integrate. Plans, and the first calls of pyFAI that make its tables, are not in
the times. pyFAI clips without splitting alone; its Chauvenet criterion is on for us too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import fabio
import numpy as np

import aureole
import common
import peers
from aureole.azimuthal import Plan
from aureole.io import write_cbf
from aureole.simulate import write_scan
from common import BINS, CORES, UNIT, Row

One = Callable[[Any, np.ndarray], Any]
TASKS = {
    "trimmed, no splitting": (aureole.Trim(), "no", "poisson"),
    "trimmed, bbox": (aureole.Trim(), "bbox", "poisson"),
    "clipped by counts": (aureole.Clip(chauvenet=True), "no", "poisson"),
    "clipped by the scatter": (aureole.Clip(chauvenet=True), "no", "azimuthal"),
}
WANTED = 10


def spotty_scan(work: Path, count: int) -> tuple[list[Path], Path]:
    """Write frames of a powder, one in a hundred of whose pixels has a grain."""
    scan = write_scan(work / "scan", count, counts=1000, distinct=count, seed=1)
    files = sorted(scan.frames.glob("*.cbf"))
    rng = np.random.default_rng(1)
    for path in files:
        image = fabio.open(str(path)).data.copy()
        spots = (rng.random(image.shape) < 0.01) & (image > 0)
        image[spots] *= rng.integers(2, 50, np.count_nonzero(spots))
        path.unlink()
        write_cbf(path, image)
    return files, scan.poni


def pyfai(rule: aureole.Trim | aureole.Clip, split: str, model: str) -> One:
    """Return what averages one image with pyFAI."""
    options = {"method": (split, "csr", "cython"), "error_model": model, "unit": UNIT}
    if isinstance(rule, aureole.Trim):
        return lambda ai, image: ai.medfilt1d_ng(image, BINS, percentile=(rule.low, rule.high), **options)
    return lambda ai, image: ai.sigma_clip_ng(
        image, BINS, thres=rule.sigma, max_iter=rule.iterations, **options
    )


def sequential(files: Sequence[Path], ai: Any, one: One) -> int:
    for path in files:
        one(ai, peers.read_unchecked(path))
    return len(files)


def threads(files: Sequence[Path], integrators: Sequence[Any], one: One) -> int:
    """Threads that each read and integrate every so many files, with an integrator of their own."""
    n = len(integrators)
    with ThreadPoolExecutor(n) as pool:
        return sum(pool.map(lambda i: sequential(files[i::n], integrators[i], one), range(n)))


def stream(plan: Plan, files: Sequence[Path], *, threads: int) -> int:
    with aureole.open_frames([str(path) for path in files]) as frames:
        done = 0
        for batch in plan.stream(frames, threads=threads):
            assert np.isfinite(batch.result.intensity).any()
            assert batch.result.sigma is not None
            done += len(batch.rows)
    return done


def compare(name: str, files: list[Path], poni: Path, sizes: tuple[int, int, int]) -> dict[str, object]:
    mine, theirs, repeats = sizes
    rule, split, model = TASKS[name]
    print(f"\n== {name}")
    spec = aureole.IntegrationSpec(
        aureole.load(poni),
        radial=aureole.Axis(UNIT, BINS),
        split=split,
        error_model=model,
        robust=rule,
        efficiency=False,  # which the peer does not correct
    )
    plan, ai, one = spec.plan(), peers.integrator(poni), pyfai(rule, split, model)
    image = peers.read_unchecked(files[0])
    found, reference = plan.integrate(image), one(ai, image)
    crowded = found.count > 100
    apart = np.abs(found.intensity / reference.intensity - 1.0)[crowded]
    print(f"intensities differ by {np.median(apart):.1e} (median)")
    own = peers.own_integrators(ai, CORES)
    few, many = files[:theirs], [files[index % len(files)] for index in range(mine)]
    rows = [
        Row("fabio + pyFAI, OpenMP", partial(sequential, few, ai, one)),
        Row(f"fabio + pyFAI, {CORES} threads, each reads and integrates", partial(threads, few, own, one)),
        *(Row(f"Aureole, {n} threads", partial(stream, plan, many, threads=n)) for n in sorted({1, CORES})),
    ]
    common.measure(rows, repeats)
    common.show_rows(rows, rows[0])
    best = common.best_of(rows[:2])
    value = common.ratio(best, rows[-1])
    common.show_ratio(f"against {best.name}", value, WANTED)
    return {
        "name": name,
        "rows": common.rows_json(rows),
        "strongest": best.name,
        "ratio": value,
        "median_difference": float(np.median(apart)),
    }


def main() -> None:
    wanted = common.arguments(__doc__, frames=96, distinct=48, peer_frames=4).parse_args()
    sizes = (wanted.frames, wanted.peer_frames, wanted.repeats)
    if wanted.quick:
        sizes, wanted.distinct = (16, 2, 2), 8
    with common.scratch() as work:
        files, poni = spotty_scan(work, wanted.distinct)
        facts = common.describe_cbfs(files)
        common.warm(files)
        sets = [compare(name, files, poni, sizes) for name in TASKS]
    common.save("robust", {"bins": BINS, **facts, "sets": sets})


if __name__ == "__main__":
    main()
