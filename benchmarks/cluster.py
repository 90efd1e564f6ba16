"""Two Dask workers against two threads on the same cores, and what a part and a task cost.

The workers are started before; each run still sends them its work, and they make its table. Three figures:
of the whole run, of its steady state from the first finished part to the last, and of the processor time that
all processes took together, which depends less on what else the machine does.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from distributed import Client, as_completed
from distributed.protocol.pickle import dumps

import aureole
import common
import ours
from aureole.azimuthal import Plan
from aureole.runs import RunOptions, cluster, integrate_series
from aureole.runs.manifest import Manifest
from aureole.runs.parts import Parts, Rows
from aureole.runs.workers import Given, Made, make_part
from aureole.simulate import write_scan
from common import Row

WORKERS = 2
WANTED = 1.15


@contextmanager
def workers(facts: dict[str, object]) -> Iterator[str]:
    """Start workers and yield the address of their scheduler."""
    begin = perf_counter()
    with cluster.local_cluster(WORKERS) as started:
        facts["start_seconds"] = perf_counter() - begin
        yield started.scheduler_address


def processor_seconds(client: Client) -> float:
    """Return the processor time of this process, in which the scheduler is, and of the workers."""
    return process_time() + sum(client.run(process_time).values())


class Run:
    """One way to integrate; remembers when frames were done."""

    def __init__(
        self, plan: Plan, frames: Path, output: Path, client: Client, options: dict[str, object]
    ) -> None:
        self.plan, self.frames, self.output, self.options = plan, frames, output, options
        self.client = client
        self.steady: list[float] = []
        self.processor: list[float] = []

    def __call__(self) -> int:
        part, marks = int(self.options["part_frames"]), []  # type: ignore[call-overload]

        def progress(done: int, total: int) -> None:
            if done >= part:
                marks.append((perf_counter(), done))

        self.output.unlink(missing_ok=True)
        before_all = processor_seconds(self.client)
        with aureole.open_frames(self.frames) as frames:
            options = RunOptions(strict=True, progress=progress, **self.options)  # type: ignore[arg-type]
            report = integrate_series(self.plan, frames, self.output, options=options)
        (first, before), (last, done) = marks[0], marks[-1]
        self.steady.append((last - first) / (done - before) * 1e3)
        self.processor.append((processor_seconds(self.client) - before_all) / report.frames * 1e3)
        return report.frames


def part_costs(plan: Plan, folder: Path, frames: int) -> dict[str, float]:
    """Return what it takes to publish a part, and to read it again, without integrating."""
    rows = Rows.empty(range(frames), plan.bins.shape, sigma=True, monitor=False)
    rows.intensity[:] = rows.sigma[:] = np.random.default_rng(0).random(rows.intensity.shape)
    rows.status[:] = 0
    folder.mkdir()
    parts, write, read = Parts(folder, "0" * 64), [], []
    for number in range(20):
        begin = perf_counter()
        path = parts.publish(number, 1, rows, plan=plan.digest)
        middle = perf_counter()
        parts.read(path, number, rows.frames)
        write.append(middle - begin)
        read.append(perf_counter() - middle)
    return {
        "frames": frames,
        "bytes": path.stat().st_size,
        "publish_ms": statistics.median(write) * 1e3,
        "read_ms": statistics.median(read) * 1e3,
    }


def task_cost(scheduler: str, tasks: int) -> dict[str, float]:
    """Return what a task costs that does nothing, submitted as those of a run are, and how many bytes."""
    given = Given(99_999, range(99_999_000, 100_000_000), 1, None)
    name, made = f"aureole-{'0' * 64}", ("node0123", f"/beamline/scan.h5.run/part-099999-{'0' * 12}-g1.h5")
    with Client(scheduler, set_as_default=False) as client:
        ready = as_completed(loop=client.loop, with_results=True)
        begin, left = perf_counter(), tasks
        for _ in range(cluster._IN_FLIGHT * WORKERS):
            ready.add(client.submit(Made, *made, pure=False))
        for _ in ready:
            left -= 1
            if left >= cluster._IN_FLIGHT * WORKERS:
                ready.add(client.submit(Made, *made, pure=False))
        seconds = perf_counter() - begin
    return {
        "task_ms": seconds / tasks * 1e3,
        "task_bytes": len(dumps((make_part, name, given))),
        "result_bytes": len(dumps(Made(*made))),
    }


def manifest_bytes(plan: Plan, source: Path, folder: Path) -> float:
    """Return how many bytes of a manifest each frame that is a file of its own takes."""
    with aureole.open_frames(source) as frames:
        manifest = Manifest.of(plan, frames, variance=None, monitor=None, part_frames=1000, command={})
        manifest.save(folder)
    return (folder / "manifest.json").stat().st_size / len(manifest.sources)


def main() -> None:
    parser = common.arguments(__doc__.splitlines()[0], frames=8192, distinct=500, part_frames=256)
    wanted = parser.parse_args()
    if wanted.quick:
        wanted.frames, wanted.distinct, wanted.part_frames, wanted.repeats = 640, 64, 64, 2
    load = os.getloadavg()[0]
    facts: dict[str, object] = {"load_before": load}
    print(f"load before: {load:.2f}" + ("" if load < 1 else "   NOT QUIET"))
    with (
        common.scratch() as work,
        workers(facts) as scheduler,
        Client(scheduler, set_as_default=False) as client,
    ):
        scan = write_scan(work, wanted.frames, distinct=wanted.distinct, seed=2)
        common.warm(sorted(scan.frames.iterdir())[: wanted.distinct])
        begin = perf_counter()
        plan = ours.spec(scan.poni).plan(threads=1)
        facts["plan_seconds_one_thread"] = perf_counter() - begin
        options: dict[str, object] = {"part_frames": wanted.part_frames}
        dask = options | {"executor": cluster.Dask(scheduler=scheduler)}
        threads = Run(plan, scan.frames, work / "threads.h5", client, options | {"threads": WORKERS})
        local = Run(plan, scan.frames, work / "dask.h5", client, dask)
        rows = [Row(f"{WORKERS} threads", threads), Row(f"{WORKERS} Dask workers", local)]
        common.measure(rows, wanted.repeats)
        both = list(zip(rows, (threads, local), strict=True))
        steady = [Row(f"{row.name}, steady", row.run, run.steady[1:]) for row, run in both]
        processor = [Row(f"{row.name}, processor", row.run, run.processor[1:]) for row, run in both]
        common.show_rows([*rows, *steady, *processor], rate=False)
        facts |= task_cost(scheduler, 200 if wanted.quick else 5000)
        facts["parts"] = [part_costs(plan, work / f"parts-{n}", n) for n in (wanted.part_frames, 1024)]
        facts["manifest_bytes_a_file"] = manifest_bytes(plan, scan.frames, work)
        with aureole.open_frames(scan.frames) as frames:
            facts["work_bytes"] = len(dumps((plan.spec, plan.backend, frames)))
    whole, steadily, busy = (common.ratio(b, a) for a, b in (rows, steady, processor))
    verdict = "reached" if steadily["median"] <= WANTED else "NOT REACHED"
    print(
        f"Dask takes {steadily['median']:.3f} times as long ({steadily['lowest']:.3f} to "
        f"{steadily['highest']:.3f}) in steady state   wanted: {WANTED}, {verdict}"
    )
    print(
        f"and {whole['median']:.3f} times ({whole['lowest']:.3f} to {whole['highest']:.3f}) from start to end"
    )
    print(f"processor time: {busy['median']:.3f} times ({busy['lowest']:.3f} to {busy['highest']:.3f})")
    print(
        f"starting {WORKERS} workers: {facts['start_seconds']:.1f} s; a table on one thread: "
        f"{facts['plan_seconds_one_thread']:.2f} s; the work, sent once to each: {facts['work_bytes']} bytes"
    )
    print(
        f"a task: {facts['task_ms']:.2f} ms, {facts['task_bytes']} bytes there, "
        f"{facts['result_bytes']} bytes back"
    )
    for part in facts["parts"]:  # type: ignore[attr-defined]
        print(
            f"a part of {part['frames']} frames, {part['bytes'] / 1e6:.1f} MB: "
            f"{part['publish_ms']:.1f} ms to publish, {part['read_ms']:.1f} ms to read"
        )
    print(f"the manifest: {facts['manifest_bytes_a_file']:.0f} bytes a file")
    common.save(
        "cluster",
        {
            "frames": wanted.frames,
            "part_frames": wanted.part_frames,
            "rows": common.rows_json([*rows, *steady, *processor]),
            "ratios": {"whole": whole, "steady": steadily, "processor": busy},
            **facts,
        },
    )


if __name__ == "__main__":
    main()
