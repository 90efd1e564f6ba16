"""Sparsification of crystal frames: CBF files in the page cache to sparse frames, with and without peaks.

Against pyFAI's OpenCL program, which is all that it has for this, on PoCL: fabio reads without checking the
MD5 in a thread of its own, as sparsify-Bragg does, and the best of several sizes of the work group is taken.
Needs pyopencl and PoCL (on Debian: pocl-opencl-icd); without them Cython clips and NumPy picks. Plans, and
the compilation of the OpenCL program, are not in the times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Queue
from threading import Thread
from time import perf_counter
from typing import Any

import numpy as np
import pyFAI

import aureole
import common
import peers
from aureole.azimuthal import Peaks, Picking, SparsePlan
from aureole.geometry import format_poni
from aureole.io import write_cbf
from common import BINS, Row

One = Callable[[np.ndarray], Any]
UNIT = "2th_deg"
WANTED = 5
SPOTS = 500
PICKING, PEAKS = {"cutoff": 3.0, "noise": 1.0}, {"cutoff": 5.0, "patch": 3, "connected": 2}


def crystal_frames(work: Path, count: int) -> tuple[list[Path], aureole.Geometry, Path]:
    """Write frames of an amorphous background and some hundred spots of three pixels across."""
    geometry = aureole.Geometry(aureole.detector("Pilatus2MCdTe"), 0.2, 0.14, 0.12, wavelength=1e-10)
    poni = work / "crystal.poni"
    poni.write_text(format_poni(geometry), encoding="utf-8")
    q = geometry.center_array("q_nm^-1")
    mean = 5.0 + 30.0 * np.exp(-0.5 * np.square((q - 18.0) / 5.0))
    rng = np.random.default_rng(1)
    files = []
    for index in range(count):
        image = rng.poisson(mean).astype(np.int32)
        rows, columns = (rng.integers(1, n - 1, SPOTS) for n in image.shape)
        for row in (-1, 0, 1):
            for column in (-1, 0, 1):
                part = np.exp(-0.7 * (row * row + column * column))
                image[rows + row, columns + column] += (part * rng.integers(50, 3000, SPOTS)).astype(np.int32)
        image[geometry.detector.mask] = -1
        files.append(work / f"crystal_{index:04d}.cbf")
        write_cbf(files[-1], image)
    return files, geometry, poni


def our_plan(geometry: aureole.Geometry, *, peaks: bool) -> SparsePlan:
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis(UNIT, BINS),
        split="no",
        error_model="poisson_floor",
        solid_angle=False,
        efficiency=False,
        robust=aureole.Clip(3.0, 5, chauvenet=True),
    )
    return SparsePlan(spec, Picking(**PICKING, peaks=Peaks(**PEAKS) if peaks else None))


def ours(plan: SparsePlan, files: Sequence[Path]) -> int:
    frames = aureole.open_frames([str(path) for path in files])
    return sum(len(batch.done) for batch in plan.stream(frames))


def theirs(one: One, files: Sequence[Path]) -> int:
    images: Queue[np.ndarray | None] = Queue(maxsize=4)

    def read() -> None:
        for path in files:
            images.put(peers.read_unchecked(path))
        images.put(None)

    thread = Thread(target=read)
    thread.start()
    done = 0
    while (image := images.get()) is not None:
        one(image)
        done += 1
    thread.join()
    return done


def opencl(poni: Path, image: np.ndarray, *, peaks: bool) -> Iterator[tuple[str, One]]:
    """Yield pyFAI's sparsification for several sizes of the work group."""
    from pyFAI.opencl import ocl
    from pyFAI.opencl.peak_finder import OCL_PeakFinder
    from pyFAI.units import to_unit

    ai, unit = pyFAI.load(str(poni)), to_unit(UNIT)
    mask = ai.detector.mask
    table = ai.setup_sparse_integrator(
        image.shape, BINS, mask=mask, unit=unit, split="no", algo="CSR", scale=False
    )
    radius = ai.array_from_unit(typ="center", unit=unit, scale=False)
    context = ocl.create_context(devicetype="cpu")
    settings = {
        "error_model": "poisson",
        "cutoff_clip": 3.0,
        "cycle": 5,
        "noise": PICKING["noise"],
        "cutoff_pick": PICKING["cutoff"],
        "safe": False,
    }
    if peaks:
        settings |= {"cutoff_peak": PEAKS["cutoff"], "patch_size": PEAKS["patch"]}
        settings |= {"connected": PEAKS["connected"]}
    for group in (1, 16, 64, 256, 1024):
        finder = OCL_PeakFinder(
            table.lut,
            image_size=image.size,
            unit=unit,
            bin_centers=table.bin_centers,
            radius=radius,
            mask=mask,
            ctx=context,
            block_size=group,
        )
        yield f"pyFAI, OpenCL, groups of {group}", lambda one, finder=finder: finder.sparsify(one, **settings)


def cython(poni: Path) -> Iterator[tuple[str, One]]:
    """Yield what pyFAI's Cython can do: clip; NumPy interpolates and compares."""
    ai = pyFAI.load(str(poni))
    radius = ai.array_from_unit(typ="center", unit=UNIT)
    options = {"method": ("no", "csr", "cython"), "error_model": "poisson", "unit": UNIT}

    def one(image: np.ndarray) -> np.ndarray:
        found = ai.sigma_clip_ng(
            image, BINS, thres=3.0, max_iter=5, correctSolidAngle=False, mask=ai.detector.mask, **options
        )
        mean = np.interp(radius, found.radial, found.intensity)
        deviation = np.interp(radius, found.radial, found.std)
        excess = image - mean
        return np.flatnonzero(
            excess > np.maximum(PICKING["noise"], PICKING["cutoff"] * np.hypot(deviation, PICKING["noise"]))
        )

    yield "pyFAI, Cython and NumPy", one


def best_peer(poni: Path, image: np.ndarray, *, peaks: bool) -> tuple[str, One] | None:
    try:
        import pyopencl

        ways = list(opencl(poni, image, peaks=peaks)) if pyopencl.get_platforms() else []
    except ImportError:
        ways = []
    ways += [] if peaks else list(cython(poni))
    if not ways:
        return None
    taken = {}
    for name, one in ways:
        one(image)
        begin = perf_counter()
        for _ in range(3):
            one(image)
        taken[name] = (perf_counter() - begin) / 3 * 1e3
        print(f"  {name}: {taken[name]:.0f} ms")
    return min(ways, key=lambda way: taken[way[0]])


def compare(peaks: bool, sample: tuple[list[Path], aureole.Geometry, Path], repeats: int, few: int) -> Any:
    files, geometry, poni = sample
    name = "with peaks" if peaks else "pixels that stand out"
    print(f"\n{name}")
    best = best_peer(poni, peers.read_unchecked(files[0]), peaks=peaks)
    if best is None:
        print("  left out: pyFAI needs pyopencl and PoCL for peaks")
        return None
    label, one = best
    plan = our_plan(geometry, peaks=peaks)
    rows = [
        Row(label, lambda: theirs(one, files[:few])),
        Row("aureole", lambda: ours(plan, files)),
    ]
    common.measure(rows, repeats)
    common.show_rows(rows, rows[0])
    value = common.ratio(rows[0], rows[1])
    common.show_ratio(f"against {label}", value, WANTED)
    return {"name": name, "rows": common.rows_json(rows), "strongest": label, "ratio": value}


def main() -> None:
    wanted = common.arguments(__doc__, frames=64, peer_frames=6).parse_args()
    if wanted.quick:
        wanted.frames, wanted.peer_frames, wanted.repeats = 16, 2, 2
    with common.scratch() as work:
        sample = crystal_frames(work, wanted.frames)
        facts = common.describe_cbfs(sample[0])
        common.warm(sample[0])
        sets = [compare(peaks, sample, wanted.repeats, wanted.peer_frames) for peaks in (False, True)]
    common.save("sparsify", {"bins": BINS, **facts, "sets": [one for one in sets if one is not None]})


if __name__ == "__main__":
    main()
