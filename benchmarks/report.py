"""What the benchmarks measured last, as the page docs/reference/speed.md.

.venv/bin/python benchmarks/run.py && .venv/bin/python benchmarks/report.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from common import RESULTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "speed.md"
Facts = dict[str, Any]


def load(name: str) -> Facts:
    found: Facts = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def table(rows: list[Facts], per: str = "ms a frame", peer: str | None = None) -> Iterator[str]:
    """Yield times and how much faster each is than the first row whose name begins with `peer`."""
    base = next((row["median_ms"] for row in rows if peer and row["name"].startswith(peer)), None)
    yield f"| | {per} | spread |" + (" times faster |" if base else "")
    yield "|---|---|---|" + ("---|" if base else "")
    for row in rows:
        median = row["median_ms"]
        line = f"| {row['name']} | {median:.2f} | {row['mad_ms']:.2f} |"
        yield line + (f" {base / median:.1f} |" if base else "")
    yield ""


def verdict(what: str, ratio: Facts, wanted: float | None = None) -> str:
    found = f"**{ratio['median']:.1f} times** ({ratio['lowest']:.1f} to {ratio['highest']:.1f})"
    if wanted is None:
        return f"- against {what}: {found}"
    reached = "reached" if ratio["median"] >= wanted else "**not reached**"
    return f"- against {what}: {found}; wanted {wanted:g}, {reached}"


def cbf() -> Iterator[str]:
    facts = load("cbf_pipeline")
    yield "## CBF files to patterns in HDF5\n"
    yield "`benchmarks/cbf_pipeline.py`. Pilatus 2M frames in the page cache, 1000 bins of q, `bbox`, Poisson"
    yield "errors; reading, decoding, integrating, writing; plans and the peers' first calls are not in it."
    yield "Spread is the median deviation among the repeats.\n"
    for one in facts["sets"]:
        yield f"### {one['name']}\n"
        size, escapes = one["bytes_a_frame"] / 1e6, one["escape_fraction"]
        yield f"{size:.2f} MB a frame, {escapes:.1%} of the differences wider than a byte.\n"
        yield from table(one["rows"], peer="sequential")
        yield verdict("the sequential snippet", one["ratios"]["sequential"], 40)
        yield verdict(f"the strongest ({one['strongest']})", one["ratios"]["strongest"], 20)
        yield f"- one core: {one['one_core_ms']:.2f} ms a frame; wanted 4\n"


def eiger() -> Iterator[str]:
    facts = load("eiger_pipeline")
    yield "## Eiger 4M to patterns in HDF5\n"
    yield "`benchmarks/eiger_pipeline.py`. 32-bit pixels, bitshuffle-LZ4,"
    yield f"{facts['bytes_a_frame'] / 1e6:.2f} MB a frame.\n"
    yield from table(facts["rows"], peer="sequential")
    yield verdict("h5py + hdf5plugin + pyFAI", facts["ratios"]["sequential"], 15)
    yield verdict(f"the strongest ({facts['strongest']})", facts["ratios"]["strongest"]) + "\n"


def robust() -> Iterator[str]:
    facts = load("robust")
    yield "## Robust averages\n"
    yield "`benchmarks/robust.py`. Pilatus 2M CdTe with spots, CBF files in the page cache,"
    yield f"{facts['bytes_a_frame'] / 1e6:.2f} MB a frame; 1000 bins of q, with errors: read, decoded,"
    yield "averaged. [What it is](../explanation/spotty-samples.md).\n"
    for one in facts["sets"]:
        yield f"### {one['name'].capitalize()}\n"
        yield from table(one["rows"], peer="fabio")
        yield verdict(one["strongest"], one["ratio"], 10) + "\n"


def sparsify() -> Iterator[str]:
    facts = load("sparsify")
    yield "## Sparse frames\n"
    yield "`benchmarks/sparsify.py`. Pilatus 2M, CBF files in the page cache,"
    yield f"{facts['bytes_a_frame'] / 1e6:.2f} MB a frame: read, decoded, clipped, compared."
    yield "[What it is](../how-to/sparsify.md).\n"
    for one in facts["sets"]:
        yield f"### {one['name'].capitalize()}\n"
        yield from table(one["rows"], peer="pyFAI")
        yield verdict(one["strongest"], one["ratio"], 5) + "\n"


def calibration() -> Iterator[str]:
    facts = load("calibration")
    yield "## From an image to a PONI\n"
    yield "`benchmarks/calibration.py`. Real Pilatus 2M images of ceria, calibrated without a start: read,"
    yield "calibrated, the PONI written. Residuals of rings that stand alone (rms, 2θ), by one procedure for"
    yield "the PONI found and for those that came with the image.\n"
    for one in facts["sets"]:
        yield f"### {one['name']}\n"
        yield from table(one["rows"], "ms an image")
        seconds, wanted = one["rows"][0]["median_ms"] / 1e3, facts["wanted_seconds"]
        yield f"- start-up included: **{seconds:.1f} s**; wanted {wanted:g}, {_reached(seconds < wanted)}"
        beside = ", ".join(f"{value:.5f}° (`{name}`)" for name, value in one["beside"].items())
        yield f"- residuals: **{one['rms_degrees']:.5f}°**; with the image came {beside}\n"


def goniometer() -> Iterator[str]:
    yield "## One pattern of many positions\n"
    yield "`benchmarks/goniometer.py`. A detector on an arm, an image at each position, 2000 bins of 2θ,"
    yield "Poisson errors; images in memory, all that follows from the geometries made anew. [What it"
    yield "is](../how-to/goniometer.md).\n"
    for one in load("goniometer")["sets"]:
        yield f"### {one['positions']} positions of a {one['detector']}\n"
        yield from table(one["rows"], "ms")
        for split, ratio in one["ratios"].items():
            yield verdict(f"the fastest of pyFAI's MultiGeometry, {split}", ratio, 5)
        most = max(mib for name, mib in one["peak_mib"].items() if name.startswith("Aureole"))
        yield f"- peak memory: **{most:.0f} MiB**; wanted below 2048, {_reached(most < 2048)}\n"


def plan() -> Iterator[str]:
    yield "## Making a plan\n"
    yield "`benchmarks/plan.py`. Pilatus 2M CdTe, 1000 bins, Poisson errors: the first pattern of a"
    yield "geometry.\n"
    for one in load("plan")["sets"]:
        yield f"### {one['split']}\n"
        yield from table(one["rows"], "ms", peer="pyFAI csr")
        for peer, ratio in one["ratios"].items():
            yield verdict(peer, ratio, 3)
        yield ""


def tomography() -> Iterator[str]:
    facts = load("tomography")
    yield "## Tomography\n"
    versions = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    yield f"`benchmarks/tomography.py`; {versions}. Errors are those"
    yield "against the phantom, ellipses of density 1.\n"
    one = facts["slice"]
    yield f"### One slice of {one['size']} x {one['size']}, {one['angles']} angles\n"
    best = next(row["median_ms"] for row in one["rows"] if row["name"] == one["best"])
    yield "| | s | times faster | error |"
    yield "|---|---|---|---|"
    for row in one["rows"]:
        median, error = row["median_ms"], one["errors"][row["name"]]
        yield f"| {row['name']} | {median / 1e3:.2f} | {best / median:.1f} | {error:.4f} |"
    yield ""
    yield verdict(one["best"], one["ratio"], 50) + "\n"
    many = facts["channels"]
    yield f"### {many['channels']} channels of {many['size']} x {many['size']}, {many['angles']} angles\n"
    yield from table(many["rows"], "ms a channel", peer=many["best"])
    yield verdict(f"a loop over slices by {many['best']}", many["ratio"], 10) + "\n"
    small = facts["small"]
    yield (
        f"### All of a small scan: {small['channels']} channels of {small['size']} x {small['size']}, "
        f"{small['angles']} angles\n"
    )
    yield "The plan, the slices and their variances, from sinograms in memory to volumes in memory.\n"
    yield from table(small["rows"], "ms")
    solvers = facts["iterations"]
    yield f"### An iteration, {solvers['size']} x {solvers['size']}, {solvers['angles']} angles\n"
    for name, solver in solvers["solvers"].items():
        yield f"{name}:\n"
        yield from table(solver["rows"], "ms a channel", peer=solver["best"])
        for what, ratio in solver["ratios"].items():
            yield verdict(f"{solver['best']}, {what}", ratio, 3)
        yield ""


def xrdct() -> Iterator[str]:
    facts = load("xrdct")
    rate, share, seconds = (median(facts[key]) for key in ("rates", "shares", "seconds"))
    size = facts["bytes_a_frame"]
    yield "## From frames to a tomogram\n"
    yield f"`benchmarks/xrdct.py`. {facts['frames']} Pilatus 2M CdTe frames of {size / 1e6:.2f} MB"
    yield f"({facts['frames'] * size / 1e9:.1f} GB) in the page cache, 60 translations and 90 angles,"
    yield "1000 bins; monitor and absorption corrected; patterns, sinograms and the volume with errors, in"
    yield "one file.\n"
    yield f"- reading and integrating: **{rate:.0f} frames/s** ({min(facts['rates']):.0f} to"
    yield f"  {max(facts['rates']):.0f}); wanted 250, {_reached(rate >= 250)}"
    yield f"- after the last frame: **{share:.1%}** ({min(facts['shares']):.1%} to"
    yield f"  {max(facts['shares']):.1%}) of {seconds:.2f} s; wanted 10 %, {_reached(share <= 0.10)}\n"
    yield "What it costs that runs survive: the patterns alone, to one file. That the file system takes back"
    yield "the space of the parts is done beside other work, and is not in it.\n"
    yield from table(facts["rows"])
    cost = facts["overhead"]
    yield f"- parts, manifest and fsync: **{cost['median']:+.1%}** ({cost['lowest']:+.1%} to"
    yield f"  {cost['highest']:+.1%}); wanted 3 %, {_reached(cost['median'] <= 0.03)}\n"


def cluster() -> Iterator[str]:
    facts = load("cluster")
    yield "## Workers of Dask\n"
    yield f"`benchmarks/cluster.py`. {facts['frames']} Pilatus 2M CdTe frames, parts of"
    yield f"{facts['part_frames']}; two processes of one thread each against two threads of one process, on"
    yield "the same two cores.\n"
    yield from table(facts["rows"])
    for what, name in (("in steady state", "steady"), ("from start to end", "whole")):
        ratio = facts["ratios"][name]
        wanted = f"; wanted 1.15, {_reached(ratio['median'] <= 1.15)}" if name == "steady" else ""
        yield f"- {what}: **{ratio['median']:.2f} times as long** ({ratio['lowest']:.2f} to"
        yield f"  {ratio['highest']:.2f}){wanted}"
    yield f"- starting two workers: {facts['start_seconds']:.1f} s, not in it"
    yield f"- a task that does nothing: {facts['task_ms']:.1f} ms\n"


def gpu() -> Iterator[str]:
    if not (RESULTS / "gpu.json").exists():
        return
    facts = load("gpu")
    is_card = facts["kind"] == "gpu"
    yield "## On an OpenCL device\n"
    yield f"`benchmarks/gpu.py` on {facts['device']} ({facts['platform']}): from files in the page cache to"
    yield "patterns in HDF5, 1000 bins, `bbox`, Poisson errors. [What it is](../how-to/gpu.md)."
    if not is_card:
        yield "**No graphics card was at hand**: this is the processor, under OpenCL. What is wanted of cards"
        yield "(5 times silx and pyFAI; kernels within 3 times of their floor) was not measured."
    yield ""
    for one in facts["sets"]:
        yield f"### {one['name']}, {one['bytes_a_frame'] / 1e6:.2f} MB a frame\n"
        yield from table(one["rows"], peer=one["strongest"])
        yield verdict(one["strongest"], one["ratio"], 5 if is_card else None)
        total = sum(one["kernels_ms"].values())
        yield f"- kernels: {total:.3f} ms a frame; {one['bytes_moved'] / 1e6:.1f} MB at the"
        yield f"  {one['bandwidth'] / 1e9:.0f} GB/s of a copy on the device take {one['floor_ms']:.3f} ms:"
        above = f"  **{one['above_floor']:.1f} times**"
        yield above + (f"; wanted 3, {_reached(one['above_floor'] <= 3)}\n" if is_card else "\n")


def _reached(reached: bool) -> str:
    return "reached" if reached else "**not reached**"


def start() -> Iterator[str]:
    yield "## Starting\n"
    yield "`benchmarks/startup.py`; wanted below 300 ms.\n"
    yield "| | ms | spread |"
    yield "|---|---|---|"
    for row in load("startup")["rows"]:
        yield f"| {row['name']} | {row['median_ms']:.0f} | {row['mad_ms']:.1f} |"
    yield ""


def memory() -> Iterator[str]:
    facts = load("memory")
    yield "## Memory\n"
    peak, growth = facts["peak_bytes"] / 2**20, facts["growth_bytes"] / 2**20
    yield f"`benchmarks/memory.py`. {facts['frames']} CBF frames, hard links to {facts['distinct']} distinct"
    yield f"ones: peak **{peak:.0f} MiB** (wanted 1024), {growth:+.1f} MiB from the first tenth of the frames"
    yield f"to the last, {facts['frames_per_second']:.0f} frames/s.\n"


def floor() -> Iterator[str]:
    yield "## The floor\n"
    yield "`benchmarks/floor.py`, on one core: what a frame needs, how fast this machine moves bytes and"
    yield "multiplies, and how far from that we are."
    yield "[What the numbers mean](../explanation/how-it-is-fast.md).\n"
    for one in load("floor")["sets"]:
        needs = one["needs"]
        yield f"### {one['kind']}\n"
        moved, bandwidth = one["bytes_moved"] / 1e6, one["bandwidth"] / 1e9
        yield f"- {moved:.1f} MB at {bandwidth:.0f} GB/s: {one['memory_ms']:.2f} ms"
        yield (
            f"- {needs['multiply_adds'] / 1e6:.1f} million multiply-adds (float64) at "
            f"{one['multiply_adds_per_second'] / 1e9:.0f} · 10⁹/s: {one['arithmetic_ms']:.2f} ms"
        )
        above = f"**{one['above_floor']:.1f} times**"
        yield f"- floor {one['floor_ms']:.2f} ms; all of it takes {above} as long\n"
        yield from table(one["rows"])


def main() -> None:
    machine = load("cbf_pipeline")["machine"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", "numpy", "h5py", "pyFAI", "fabio"))
    lines = [
        "# Speed\n",
        "Measured, not promised: `make bench` measures all of it on your machine, each peer in the same run",
        "as we, and `.venv/bin/python benchmarks/report.py` writes this page. Frames are simulated, but for",
        "those called real.\n",
        f"This page: {machine['processor']}, {machine['cores']} cores; {versions}.\n",
    ]
    for part in (
        *(cbf, eiger, robust, sparsify, xrdct, tomography, calibration, goniometer),
        *(cluster, gpu, plan, start, memory, floor),
    ):
        lines += part()
    PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
