"""Memory of a process that integrates 10,000 frames: names of 500 different files, hard links."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import common
from aureole.simulate import write_scan


def resident() -> int:
    """Return the memory of this process that is in use now, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS in /proc/self/status")


def integrate(poni: Path, frames: Path, output: Path) -> None:
    """Integrate in this process and print how much memory it has as it goes."""
    import aureole
    import ours
    from aureole.runs import RunOptions, integrate_series

    plan = ours.spec(poni).plan()
    marks: list[int] = []

    def progress(done: int, total: int) -> None:
        if done and (done * 10 // total > len(marks) or not marks):
            marks.append(resident())
            print(done, marks[-1], flush=True)

    options = RunOptions(overwrite=True, strict=True, progress=progress)
    begin = perf_counter()
    with aureole.open_frames(frames) as series:
        integrate_series(plan, series, output, options=options)
    print("seconds", perf_counter() - begin)
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def main() -> None:
    parser = common.arguments(__doc__, frames=10_000, distinct=500)
    parser.add_argument("--child", nargs=3, type=Path, help="used by the benchmark itself")
    wanted = parser.parse_args()
    if wanted.child:
        integrate(*wanted.child)
        return
    if wanted.quick:
        wanted.frames, wanted.distinct = 640, 64
    with common.scratch() as work:
        scan = write_scan(work, wanted.frames, distinct=wanted.distinct, seed=2)
        command = [
            sys.executable,
            __file__,
            "--child",
            str(scan.poni),
            str(scan.frames),
            str(work / "out.h5"),
        ]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = dict(line.split() for line in text.splitlines())
    seconds, peak = float(lines.pop("seconds")), int(lines.pop("peak"))
    marks = {int(done): int(size) for done, size in lines.items()}
    for done, size in marks.items():
        print(f"{done:6d} frames: {size / 2**20:7.1f} MiB")
    steady = list(marks.values())[1:]
    growth = steady[-1] - steady[0]
    verdict = "reached" if peak < 2**30 else "NOT REACHED"
    print(f"{wanted.frames / seconds:.0f} frames/s; peak {peak / 2**20:.0f} MiB   wanted: 1024, {verdict}")
    print(f"growth after the first tenth: {growth / 2**20:+.1f} MiB")
    common.save(
        "memory",
        {
            "frames": wanted.frames,
            "distinct": wanted.distinct,
            "peak_bytes": peak,
            "growth_bytes": growth,
            "rss_bytes": marks,
            "frames_per_second": wanted.frames / seconds,
        },
    )


if __name__ == "__main__":
    main()
