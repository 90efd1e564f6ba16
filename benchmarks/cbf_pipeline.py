"""CBF files in the page cache to patterns in HDF5: 1000 bins, bbox, Poisson errors.

Against the sequential snippet of J. Kieffer, S. Petitdemange and T. Vincent, J. Synchrotron Rad. 25 (2018)
612, its pools of readers, and the best arrangement of fabio and pyFAI known to us: threads or processes that
each read (MD5 off) and integrate, whose results are written at once. Plans, and the first calls of pyFAI that
make its tables, are not in the times.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import aureole
import common
import ours
import peers
from aureole.geometry import format_poni
from aureole.simulate import write_scan
from common import BINS, CORES, Row

REAL_FRAMES = {
    "ceo2_pilatus2m": ("CeO2.cbf", "CeO2.poni"),
    "ceo2_pilatus2m_cdte/103852-pilatus2M-files": ("00001.cbf", "calibration_103852.poni"),
    "ceo2_pilatus2m_cdte/103853-pilatus2M-files": ("00001.cbf", "calibration_103853.poni"),
}
POOLS = (1, 2, 4, 6)
FILES = 480
"""Files of a set, many times what the processor's cache holds; a run takes them again and again."""


@dataclass
class Sizes:
    files: int
    ours: int
    peers: int
    repeats: int
    pools: tuple[int, ...] = POOLS


def compare(name: str, files: list[Path], poni: Path, work: Path, sizes: Sizes) -> dict[str, object]:
    """Measure all arrangements on one series of files."""
    print(f"\n== {name}")
    facts: dict[str, object] = {"name": name, **common.describe_cbfs(files)}
    common.warm(files)
    few, many = files[: sizes.peers], [files[index % len(files)] for index in range(sizes.ours)]
    out = work / "peer.h5"
    method, methods = peers.fastest_method(poni, [peers.read_unchecked(path) for path in files[:5]])
    print("pyFAI, ms an image: " + ", ".join(f"{key} {ms:.0f}" for key, ms in methods.items()))
    ai = peers.integrator(poni)
    peers.integrate(ai, peers.read_unchecked(files[0]), method)
    plan = ours.spec(poni).plan()
    sequential = Row(
        f"sequential, fabio + pyFAI {' '.join(method)}",
        partial(peers.sequential, peers.read_checked, few, out, ai, method),
    )
    pools = [
        Row(
            f"pool of {n} reader{'s' * (n > 1)}",
            partial(peers.pool_of_readers, peers.read_unchecked, few, out, ai, method, readers=n),
        )
        for n in sizes.pools
    ]
    best = [
        Row(
            f"{n} threads, each reads and integrates",
            partial(peers.threads, peers.read_unchecked, few, out, peers.own_integrators(ai, n), method),
        )
        for n in sorted({2, CORES})
    ]
    mine = [
        Row(
            f"Aureole, {n} thread{'s' * (n > 1)}",
            partial(ours.run, plan, many, work / "ours.h5", threads=n),
        )
        for n in sorted({1, CORES})
    ]
    with ExitStack() as stack:
        for n in sorted({CORES, 2 * CORES}):
            pool = stack.enter_context(
                peers.worker_processes(n, poni, method, peers.read_unchecked, files[0])
            )
            best.append(
                Row(f"{n} processes, each reads and integrates", partial(peers.processes, pool, few, out))
            )
        rows = [sequential, *pools, *best, *mine]
        common.measure(rows, sizes.repeats)
    common.show_rows(rows, sequential)
    strongest = common.best_of([sequential, *pools, *best])
    fastest = mine[-1]
    ratios = {
        "sequential": common.ratio(sequential, fastest),
        "strongest": common.ratio(strongest, fastest),
    }
    common.show_ratio("against the sequential snippet", ratios["sequential"], 40)
    common.show_ratio(f"against the strongest ({strongest.name})", ratios["strongest"], 20)
    verdict = "reached" if mine[0].median < 4 else "NOT REACHED"
    print(f"one core: {mine[0].median:.2f} ms a frame   wanted: 4, {verdict}")
    return {
        **facts,
        "pyfai_ms": methods,
        "rows": common.rows_json(rows),
        "strongest": strongest.name,
        "ratios": ratios,
        "one_core_ms": mine[0].median,
        "agreement": ours.agreement(work / "ours.h5", out),
    }


def synthetic(work: Path, counts: int, count: int, distinct: int) -> tuple[list[Path], Path]:
    scan = write_scan(work / f"counts{counts}", count, counts=counts, distinct=distinct, seed=1)
    return sorted(scan.frames.glob("*.cbf")), scan.poni


def real(work: Path, folder: str, count: int) -> tuple[list[Path], Path]:
    """Copy a real frame many times, so that its bytes come from memory, and not from the processor's cache.

    The PONI gets the detector that the frame is from: some of the files say only how large a pixel is.
    A mask that lies beside the frame is used by all.
    """
    image, poni = REAL_FRAMES[folder]
    target = work / folder.rpartition("/")[2]
    target.mkdir()
    files = [target / f"copy_{index:04d}.cbf" for index in range(count)]
    for path in files:
        shutil.copyfile(common.REAL / folder / image, path)
    known = aureole.load(common.REAL / folder / poni)
    model = "Pilatus 2M CdTe" if "cdte" in folder else "Pilatus 2M"
    geometry = replace(known, detector=aureole.detector(model))
    (target / "geometry.poni").write_text(format_poni(geometry))
    if (mask := common.REAL / folder / "mask.edf").exists():
        shutil.copyfile(mask, target / mask.name)
    return files, target / "geometry.poni"


def main() -> None:
    parser = common.arguments(__doc__, frames=1920, distinct=160, peer_frames=32)
    parser.add_argument(
        "--counts", type=int, nargs="*", default=[1000, 100], help="levels of synthetic frames"
    )
    parser.add_argument("--real", action="store_true", help="only the real frames")
    parser.add_argument("--synthetic", action="store_true", help="only the synthetic frames")
    wanted = parser.parse_args()
    sizes = Sizes(FILES, wanted.frames, wanted.peer_frames, wanted.repeats)
    if wanted.quick:
        sizes, wanted.distinct, wanted.counts = Sizes(64, 128, 8, 2, (2,)), 32, [1000]
    sets = []
    with common.scratch() as work:
        for counts in [] if wanted.real else wanted.counts:
            files, poni = synthetic(work, counts, sizes.files, wanted.distinct)
            name = f"Pilatus3 2M CdTe, simulated, {counts} counts a pixel"
            sets.append(compare(name, files, poni, work, sizes))
            shutil.rmtree(work / f"counts{counts}")
        for folder in [] if wanted.synthetic else REAL_FRAMES:
            if not (common.REAL / folder).is_dir():
                print(f"\n== {folder}: not there, left out")
                continue
            files, poni = real(work, folder, min(sizes.files, 160))
            sets.append(compare(f"real: {folder}", files, poni, work, replace(sizes, pools=())))
            shutil.rmtree(files[0].parent)
    common.save("cbf_pipeline", {"bins": BINS, "frames": sizes.ours, "sets": sets})


if __name__ == "__main__":
    main()
