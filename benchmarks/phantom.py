"""Tomograms of the simulated sample against its truth: phases, correlation, axis, intensity.

Prints the table of docs/how-to/xrd-ct.md. A scan is drawn once, with absorption, air, a beam that decays and
an axis that wanders, and reduced in several ways. References are the simulator's pure phases, integrated as
the scan is.

    .venv/bin/python benchmarks/phantom.py [--translations 60] [--angles 90] [--counts 100] [--folder DIR]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from aureole.cli import main as aureole
from aureole.io import open_frames

DETECTOR, BINS = "Pilatus 100k", 500
WAYS = {
    "fbp, ram-lak": ("--window", "ram-lak"),
    "fbp, shepp-logan": (),
    "fbp, hann": ("--window", "hann"),
    "cgls, 10 iterations": ("--method", "cgls", "--iterations", "10"),
    "sirt, 100 iterations": ("--method", "sirt", "--iterations", "100", "--nonnegative"),
}
CORRECTIONS = ("--monitor", "Flux", "--transmission", "Transmission", "--air", "1", "--jitter")


def run(*words: object) -> None:
    code = aureole([str(word) for word in words])
    if code:
        sys.exit(code)


def figures(output: Path, truth: h5py.File, steps: float) -> tuple[list[str], float, float]:
    """Return a line for each phase, by how much the axis is off, and the total over that of the truth."""
    names = truth["entry/data/phase"].asstr()[()].tolist()
    volumes = truth["entry/data/fraction"][:, 0]
    inside = volumes.sum(axis=0) > 0.05
    lines = []
    with h5py.File(output) as file:
        entry = file["entry"]
        weights = np.stack([steps * entry[f"phases/{name}_weight"][0] for name in names])
        center = float(entry["reconstruction/parameters/rotation_center"][0])
    seen = np.isfinite(weights[0])
    for name, weight, true in zip(names, weights, volumes, strict=True):
        region = (true > 0.5 * true.max()) & seen
        share = weight[region].sum() / weights[:, region].sum()
        known = true[region].sum() / volumes[:, region].sum()
        correlation = np.corrcoef(weight[seen], true[seen])[0, 1]
        rmse = np.sqrt(np.mean((weight - true)[inside & seen] ** 2))
        lines.append(f"{name} | {known:.3f} | {share - known:+.3f} | {correlation:.4f} | {rmse:.3f}")
    off = abs(center - float(truth["entry/axis/mean_rotation_center"][()]))
    return lines, off, float(weights[:, seen].sum() / volumes[:, seen].sum())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--translations", type=int, default=60)
    parser.add_argument("--angles", type=int, default=90)
    parser.add_argument("--counts", type=float, default=100.0)
    parser.add_argument("--folder", type=Path, help="where to keep everything")
    args = parser.parse_args()
    with TemporaryDirectory() as temporary:
        root = args.folder or Path(temporary)
        scan = root / "scan"
        size = ("--translations", args.translations, "--angles", args.angles)
        if not scan.exists():
            run("simulate", "xrdct", "-o", scan, *size, "--counts", args.counts, "--detector", DETECTOR)
        common = ("--poni", scan / "scan.poni", "--npt", BINS)
        with h5py.File(scan / "truth.h5") as truth:
            names = truth["entry/data/phase"].asstr()[()].tolist()
            phases: list[object] = []
            for name in names:
                reference = scan / "references" / f"{name}.cbf"
                run("integrate", reference, *common, "-o", root / f"{name}.xy", "--overwrite")
                phases += ["--phase", f"{name}={root / name}.xy"]
            with open_frames(scan / "references" / f"{names[0]}.cbf") as frames:
                steps = float(frames.header(0)["Steps"])
            found = {}
            for way, options in WAYS.items():
                output = root / f"{way.split(',')[0]}.h5"
                shape = ("--shape", f"{args.angles},{args.translations}")
                where = ("-o", output, "--overwrite")
                run("xrdct", scan / "frames", *common, *shape, *CORRECTIONS, *options, *phases, *where)
                found[way] = figures(output, truth, steps)
    print(f"\n{args.translations} translations, {args.angles} angles, {args.counts:g} counts a pixel\n")
    print(
        "| method | axis off | total over truth | phase | fraction in its region | off | correlation | RMSE |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for way, (lines, off, total) in found.items():
        for number, line in enumerate(lines):
            first = f"{way} | {off:.2f} | {total:.3f}" if number == 0 else " | | "
            print(f"| {first} | {line} |")


if __name__ == "__main__":
    main()
