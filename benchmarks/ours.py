"""Our side of the benchmarks."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

import aureole
from aureole.azimuthal import Plan
from aureole.runs import RunOptions, integrate_series
from common import BINS, UNIT, mask_beside


def spec(poni: Path, split: str = "bbox", error_model: str | None = "poisson") -> aureole.IntegrationSpec:
    """Return the request that the peers get too: 1000 bins of q, Poisson errors, solid angle, a mask."""
    return aureole.IntegrationSpec(
        aureole.load(poni),
        radial=aureole.Axis(UNIT, BINS),
        split=split,
        error_model=error_model,
        mask=mask_beside(poni),
        efficiency=False,  # which the peers do not correct
    )


def run(plan: Plan, source: Path | list[Path], output: Path, *, threads: int) -> int:
    """Open the files, integrate them and write the NeXus file, as `aureole integrate` does."""
    output.unlink(missing_ok=True)
    with aureole.open_frames(source) as frames:
        report = integrate_series(
            plan, frames, output, options=RunOptions(threads=threads, overwrite=True, strict=True)
        )
    return report.frames


def agreement(mine: Path, theirs: Path) -> dict[str, float]:
    """Return the relative difference of intensities and errors in two results: median and worst bin.

    Errors differ where many pixels count nothing: pyFAI gives each of them the variance of one count.
    """
    facts = {}
    with h5py.File(mine) as first, h5py.File(theirs) as second:
        count = min(len(first["entry/data/I"]), len(second["intensities"]))
        for name, ours, peers in (
            ("intensity", "entry/data/I", "intensities"),
            ("error", "entry/data/I_errors", "errors"),
        ):
            a, b = first[ours][:count].astype(np.float64), second[peers][:count].astype(np.float64)
            both = np.isfinite(a) & (b > 0)
            difference = np.abs(a[both] / b[both] - 1.0)
            facts[f"{name}_median"] = float(np.median(difference))
            facts[f"{name}_worst"] = float(difference.max())
    print(
        f"the same results: intensities differ by {facts['intensity_median']:.1e} (median), "
        f"{facts['intensity_worst']:.1e} (worst); errors {facts['error_median']:.1e}, "
        f"{facts['error_worst']:.1e}"
    )
    return facts
