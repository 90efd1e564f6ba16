"""A tomogram of 60 translations and 90 angles from Pilatus 2M frames; and what it costs that runs survive.

The frames are drawn first (some minutes, 14 GB) unless --scan names a folder of `aureole simulate xrdct`.
"""

from __future__ import annotations

import statistics
from contextlib import closing
from pathlib import Path
from time import perf_counter

import numpy as np

import aureole
import common
from aureole.azimuthal import IntegrationSpec, Plan
from aureole.io import Frames, read_positions, read_scalars
from aureole.io.nexus import Provenance, Source
from aureole.io.pattern_layout import AxisData, PatternLayout
from aureole.io.patterns import PatternWriter
from aureole.mapping.images import ImageRequest
from aureole.mapping.scan import Scan, ScanAxis, raster
from aureole.mapping.tomography import Corrections, Reconstruction, TomographyRequest
from aureole.mapping.xrdct import xrdct_series
from aureole.runs import RunOptions, integrate_series
from aureole.simulate import Beamline, Experiment, XrdctScan, release, render, sample
from common import Row

RATE, AFTER, OVERHEAD = 250.0, 0.10, 0.03


def drawn(folder: Path, wanted) -> Path:
    """Draw the frames of the scan."""
    scan = XrdctScan(translations=wanted.translations, angles=wanted.angles, wander=0.1)
    rendered = render(Experiment(sample(), scan, Beamline()), folder)
    release(rendered)
    return folder


def tomograms(plan: Plan, frames: Frames, scan: Scan, table: Path, output: Path, repeats: int) -> dict:
    """Make the tomogram some times over; return frames a second up to the last, and the share after it."""
    options = {"monitor": read_scalars(f"{table}:monitor", frames), "overwrite": True, "strict": True}
    transmission = read_positions(f"{table}:transmission", frames)
    request = TomographyRequest(
        corrections=Corrections(),
        reconstruction=Reconstruction(),
        images=ImageRequest(),
        transmission=transmission,
    )
    rates, shares, seconds = [], [], []
    for _ in range(repeats + 1):
        marks: list[float] = []

        def progress(done: int, total: int, marks: list[float] = marks) -> None:
            if done == total:
                marks.append(perf_counter())

        output.unlink(missing_ok=True)  # to let go of an earlier one takes the file system its time
        begin = perf_counter()
        xrdct_series(
            plan, frames, scan, output, request=request, options=RunOptions(progress=progress, **options)
        )
        end = perf_counter()
        rates.append(len(frames) / (marks[-1] - begin))
        shares.append((end - marks[-1]) / (end - begin))
        seconds.append(end - begin)
    return {"rates": rates[1:], "shares": shares[1:], "seconds": seconds[1:]}


def without_parts(plan: Plan, frames: Frames, output: Path) -> int:
    """Write the patterns straight into one file, with nothing that would survive a kill."""
    output.unlink(missing_ok=True)
    provenance = Provenance(
        spec=plan.spec.to_json(), sources=[Source(path, None, None) for path in frames.sources]
    )
    layout = PatternLayout(
        radial=AxisData(common.UNIT, plan.bins.radial), norm=plan.normalization, provenance=provenance
    )
    with (
        closing(plan.stream(frames)) as batches,
        PatternWriter(output, len(frames), layout, overwrite=True) as writer,
    ):
        for batch in batches:
            writer.write(batch.frames.start, batch.result.intensity, batch.result.sigma)
    return len(frames)


def with_parts(plan: Plan, frames: Frames, output: Path) -> int:
    output.unlink(missing_ok=True)
    integrate_series(plan, frames, output, options=RunOptions(overwrite=True, strict=True))
    return len(frames)


def main() -> None:
    parser = common.arguments(__doc__, translations=60, angles=90)
    parser.add_argument("--scan", type=Path, help="folder of a scan that is there")
    wanted = parser.parse_args()
    if wanted.quick:
        wanted.translations, wanted.angles, wanted.repeats = 10, 8, 2
    with common.scratch() as work:
        folder = wanted.scan or drawn(work / "scan", wanted)
        files = sorted((folder / "frames").glob("*.cbf"))
        common.warm(files)
        size = float(np.mean([path.stat().st_size for path in files]))
        angles = ScanAxis("rotation", np.arange(wanted.angles) * (180.0 / wanted.angles), "deg")
        places = ScanAxis("translation", 0.05 * np.arange(wanted.translations), "mm")
        scan = raster((angles, places), len(files))
        spec = IntegrationSpec(
            aureole.load(folder / "scan.poni"),
            radial=aureole.Axis(common.UNIT, common.BINS),
            error_model="poisson",
            polarization_factor=0.99,
        )
        plan = spec.plan()
        with aureole.open_frames(folder / "frames") as frames:
            made = tomograms(plan, frames, scan, folder / "scan.csv", work / "tomogram.h5", wanted.repeats)
            rows = [
                Row("patterns, without parts", lambda: without_parts(plan, frames, work / "plain.h5")),
                Row("patterns, with parts", lambda: with_parts(plan, frames, work / "parts.h5")),
            ]
            common.measure(rows, wanted.repeats)
    rate, share = (statistics.median(made[key]) for key in ("rates", "shares"))
    print(f"{len(files)} frames of {size / 1e6:.2f} MB, {size * len(files) / 1e9:.1f} GB")
    print(
        f"tomogram: {rate:.0f} frames/s up to the last, wanted {RATE:g}; "
        f"{share:.1%} of {statistics.median(made['seconds']):.2f} s after it, wanted {AFTER:.0%}"
    )
    common.show_rows(rows)
    each = [b / a - 1 for a, b in zip(rows[0].ms, rows[1].ms, strict=True)]
    overhead = {"median": statistics.median(each), "lowest": min(each), "highest": max(each)}
    print(f"parts, manifest and fsync cost {overhead['median']:+.1%}, wanted {OVERHEAD:.0%}")
    common.save(
        "xrdct",
        {
            "frames": len(files),
            "bytes_a_frame": size,
            **made,
            "rows": common.rows_json(rows),
            "overhead": overhead,
        },
    )


if __name__ == "__main__":
    main()
