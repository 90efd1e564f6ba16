"""How far Aureole and pyFAI are apart: the table of docs/reference/agreement.md.

    .venv/bin/python benchmarks/agreement.py

Every row gathers the relative differences of many integrations, bin by bin, in bins of more than 20 pixels
and without those where the two mean different things (`comparable` in tests/physics/pyfai_oracle.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import aureole
from aureole.units import UNITS

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "physics"))
from pyfai_oracle import both, comparable, differences, random_geometry  # noqa: E402

SPLITS = ("no", "bbox", "full")
SIGNALS = ["sum_signal", "sum_normalization", "intensity"]
COLUMNS = {
    "Σ signal": "sum_signal",
    "Σ norm": "sum_normalization",
    "Σ norm²": "sum_normalization2",
    "intensity": "intensity",
    "Σ variance": "sum_variance",
    "sigma": "sigma",
}
TURN = (-180.0, 180.0)
SHAPE = (260, 300)
NAMED = ("Pilatus 300k", "Pilatus CdTe 300k", "Eiger 500k", "Pilatus 1M", "Eiger 1M", "Pilatus 2M")
Case = tuple[aureole.Geometry, dict[str, Any]]


def small(orientation: int = 3) -> aureole.Detector:
    return aureole.detector(pixel1=172e-6, pixel2=190e-6, shape=SHAPE, orientation=orientation)


def counts(shape: tuple[int, ...]) -> np.ndarray:
    """At least one count in every pixel, so that pyFAI's floor of Poisson errors does not show."""
    return np.maximum(np.random.default_rng(1).poisson(50.0, shape), 1).astype(np.float32)


def geometries() -> Iterator[Case]:
    for seed in range(40):
        yield random_geometry(seed, small(seed % 4 + 1)), {"bins": 150, "error_model": "poisson"}


def detectors() -> Iterator[Case]:
    for seed, name in enumerate(NAMED):
        for orientation in (1, 2, 3, 4):
            known = aureole.detector(name, orientation=orientation)
            yield random_geometry(100 + seed, known), {"bins": 500, "error_model": "poisson"}


def units(*names: str, curved: bool) -> Iterator[Case]:
    # No pixel across χ = 0, see the notes; no beam, where some units are infinite.
    geometry = replace(random_geometry(11, small(), beam_inside=False), rot3=1.25)
    for name, known in UNITS.items():
        if known.kind == "radial" and name.startswith(names) is curved:
            yield geometry, {"bins": 80, "unit": name}


def corrections() -> Iterator[Case]:
    rng = np.random.default_rng(3)

    def uniform(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, SHAPE).astype(np.float32)

    single: list[dict[str, Any]] = [
        {"solid_angle": False},
        {"dark": np.round(uniform(0.0, 5.0))},
        {"flat": uniform(0.5, 2.0)},
        {"polarization_factor": 0.97},
        {"absorption": uniform(0.3, 1.0)},
        {"normalization_factor": 3.5},
        {"mask": rng.random(SHAPE) < 0.1},
        {"dummy": 45.0, "delta_dummy": 1.5},
        {"variance": uniform(1.0, 60.0), "error_model": "variance"},
    ]
    together = {key: value for options in single[1:] for key, value in options.items()}
    for options in (*single, together):
        yield random_geometry(11, small()), {"bins": 80, **options}


def ranges() -> Iterator[Case]:
    for seed in range(12):
        geometry = random_geometry(seed, small())
        reach = tuple(np.quantile(geometry.center_array("q_nm^-1"), [0.1, 0.7]))
        yield geometry, {"bins": 60, "radial_range": reach, "error_model": "poisson"}


def cakes() -> Iterator[Case]:
    for seed in range(20):
        geometry = random_geometry(seed, small(seed % 4 + 1))
        yield geometry, {"bins": 40, "azimuthal": 36, "azimuth_range": TURN, "error_model": "poisson"}


def azimuths() -> Iterator[Case]:
    for seed in range(20):
        geometry = random_geometry(seed, small(seed % 4 + 1), beam_inside=False)
        yield (
            geometry,
            {"bins": 40, "azimuthal": 72, "azimuth_range": TURN, "against": "chi", "error_model": "poisson"},
        )


CURVED = ("d_", "log", "arcsinh", "qx", "qy")
GROUPS = {
    "40 random geometries, 4 orientations, q": (geometries, False),
    "six detectors with gaps, 4 orientations": (detectors, False),
    "2θ, q, r, d*²": (lambda: units(*CURVED, curved=False), False),
    "d, log, arsinh, qx, qy": (lambda: units(*CURVED, curved=True), False),
    "each correction, and all at once": (corrections, False),
    "a radial range": (ranges, False),
    "20 cakes": (cakes, True),
    "20 patterns against χ": (azimuths, True),
}


def gather(cases: Iterator[Case], split: str, names: list[str] | None) -> tuple[dict[str, np.ndarray], int]:
    """Return all differences by name, and how many pixels are counted in another bin."""
    found: dict[str, list[np.ndarray]] = {}
    moved = 0
    for geometry, options in cases:
        ours, theirs = both(counts(geometry.shape), geometry, split=split, **options)
        for name, apart in differences(ours, theirs, names=names).items():
            found.setdefault(name, []).append(apart)
        if split == "no":
            keep = comparable(ours)
            moved += int(np.abs(ours.count[keep] - np.asarray(theirs.count)[keep]).sum())
    return {name: np.concatenate(parts) for name, parts in found.items()}, moved


def main() -> None:
    print(f"Aureole {aureole.__version__}, pyFAI {version('pyFAI')}. Each entry: median / worst.\n")
    print("| what | splitting | bins | " + " | ".join(COLUMNS) + " |")
    print("|---" * (3 + len(COLUMNS)) + "|")
    for title, (cases, apart_when_split) in GROUPS.items():
        for split in SPLITS:
            # Errors of split pixels have another definition there: see the notes of the page.
            names = SIGNALS if apart_when_split and split == "full" else None
            if cases is azimuths and split != "no":
                names = SIGNALS
            found, moved = gather(cases(), split, names)
            cells = [
                f"{np.median(found[name]):.0e} / {found[name].max():.0e}" if name in found else ""
                for name in COLUMNS.values()
            ]
            row = f"| {title} | {split} | {found['sum_signal'].size} | " + " | ".join(cells) + " |"
            print(row.replace("0e+00", "0"))
            if moved:
                print(f"{moved} pixels are in other bins", file=sys.stderr)


if __name__ == "__main__":
    main()
