"""An Eiger 4M series (uint32, bitshuffle-LZ4 in HDF5) to patterns in HDF5: 1000 bins, bbox, Poisson errors.

Against h5py + hdf5plugin + pyFAI: one after the other, and the best arrangement of processes. Plans, and the
first calls of pyFAI that make its tables, are not in the times.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import h5py

import common
import ours
import peers
from aureole.simulate import write_eiger_scan
from common import CORES, Row


def compare(master: Path, poni: Path, work: Path, *, peer_frames: int, repeats: int) -> dict[str, object]:
    places = peers.hdf5_places(master)
    few = places[:peer_frames]
    data = sorted(master.parent.glob("*_data_*.h5"))
    common.warm(data)
    size = sum(path.stat().st_size for path in data) / len(places)
    print(f"{len(places)} frames, {size / 1e6:.2f} MB a frame")
    method, methods = peers.fastest_method(poni, [peers.read_hdf5(place) for place in places[:3]])
    print("pyFAI, ms an image: " + ", ".join(f"{key} {ms:.0f}" for key, ms in methods.items()))
    ai = peers.integrator(poni)
    peers.integrate(ai, peers.read_hdf5(places[0]), method)
    plan = ours.spec(poni).plan()
    out = work / "peer.h5"
    read = Row("h5py + hdf5plugin, reading only", partial(_read_all, few))
    csc = ("bbox", "csc", "cython")
    peers.integrate(ai, peers.read_hdf5(places[0]), csc)
    sequential = Row(
        f"sequential, h5py + pyFAI {' '.join(csc)}",
        partial(peers.sequential, peers.read_hdf5, few, out, ai, csc),
    )
    others = [
        Row(
            "pool of 2 readers",
            partial(peers.pool_of_readers, peers.read_hdf5, few, out, ai, method, readers=2),
        )
    ]
    mine = [
        Row(
            f"Aureole, {n} thread{'s' * (n > 1)}",
            partial(ours.run, plan, master, work / "ours.h5", threads=n),
        )
        for n in sorted({1, CORES})
    ]
    with ExitStack() as stack:
        for n in sorted({CORES, 2 * CORES}):
            pool = stack.enter_context(peers.worker_processes(n, poni, method, peers.read_hdf5, places[0]))
            others.append(
                Row(f"{n} processes, each reads and integrates", partial(peers.processes, pool, few, out))
            )
        rows = [read, sequential, *others, *mine]
        common.measure(rows, repeats)
    common.show_rows(rows, sequential)
    strongest = common.best_of([sequential, *others])
    ratios = {
        "sequential": common.ratio(sequential, mine[-1]),
        "strongest": common.ratio(strongest, mine[-1]),
    }
    common.show_ratio("against h5py + hdf5plugin + pyFAI csc", ratios["sequential"], 15)
    common.show_ratio(f"against the strongest ({strongest.name})", ratios["strongest"])
    return {
        "frames": len(places),
        "bytes_a_frame": size,
        "pyfai_ms": methods,
        "rows": common.rows_json(rows),
        "strongest": strongest.name,
        "ratios": ratios,
        "agreement": ours.agreement(work / "ours.h5", out),
    }


def _read_all(places: list[tuple[str, str, int]]) -> int:
    for place in places:
        peers.read_hdf5(place)
    return len(places)


def main() -> None:
    parser = common.arguments(__doc__, frames=160, distinct=40, peer_frames=24, counts=30)
    wanted = parser.parse_args()
    if wanted.quick:
        wanted.frames, wanted.distinct, wanted.peer_frames, wanted.repeats = 32, 8, 6, 2
    with common.scratch() as work:
        scan = write_eiger_scan(
            work / "eiger", wanted.frames, counts=wanted.counts, distinct=wanted.distinct, seed=1
        )
        facts = compare(scan.frames, scan.poni, work, peer_frames=wanted.peer_frames, repeats=wanted.repeats)
    common.save("eiger_pipeline", {"counts": wanted.counts, "h5py": h5py.__version__, **facts})


if __name__ == "__main__":
    main()
