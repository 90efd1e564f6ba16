"""Sinograms to slices: filtered backprojection and iterative solvers, against ASTRA, algotom, scikit-image.

One large slice, where ASTRA tries each of its projectors for the processor; a thousand channels of one scan,
where the peers go slice by slice; all that a small scan needs, plan and variances included; an iteration of
SIRT and of CGLS, for one channel and for many. Errors are those against the phantom, ellipses whose
projections are known exactly, inside the circle that all angles see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

import common
from aureole.tomo import FilteredBackprojection, ParallelBeam, cgls, sirt
from common import CORES, Row

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "tomo"))
from objects import densities, projections

Reconstruct = Callable[[np.ndarray], np.ndarray]
PROJECTORS = ("line", "linear", "strip")


def scaled(beam: ParallelBeam) -> tuple[np.ndarray, np.ndarray]:
    """Return a sinogram and its phantom, as large as the beam has rays."""
    factor = beam.translations / 120
    return (
        projections(beam, factor).astype(np.float32),
        densities(beam.size, 2, factor).astype(np.float32),
    )


def astra_algorithm(beam: ParallelBeam, projector: str, name: str, iterations: int = 1) -> Reconstruct:
    import astra

    volume = astra.create_vol_geom(beam.size, beam.size)
    rays = astra.create_proj_geom("parallel", 1.0, beam.translations, -beam.angles)
    chosen = astra.create_projector(projector, rays, volume)
    sinogram, slice_ = astra.data2d.create("-sino", rays), astra.data2d.create("-vol", volume)
    wanted = astra.astra_dict(name)
    wanted |= {"ReconstructionDataId": slice_, "ProjectionDataId": sinogram, "ProjectorId": chosen}
    if name == "FBP":
        wanted["FilterType"] = "ram-lak"

    def run(given: np.ndarray) -> np.ndarray:
        astra.data2d.store(sinogram, given)
        astra.data2d.store(slice_, 0)
        algorithm = astra.algorithm.create(wanted)
        astra.algorithm.run(algorithm, iterations)
        astra.algorithm.delete(algorithm)
        return astra.data2d.get(slice_)

    return run


def algotom(beam: ParallelBeam, method: str) -> Reconstruct:
    from algotom.rec import reconstruction

    center = (beam.translations - 1) / 2
    angles = -beam.angles
    if method == "dfi":
        return lambda given: reconstruction.dfi_reconstruction(given, center, angles=angles, apply_log=False)
    return lambda given: reconstruction.fbp_reconstruction(
        given, center, angles=angles, apply_log=False, gpu=False
    )


def scikit(beam: ParallelBeam) -> Reconstruct:
    from skimage.transform import iradon

    return lambda given: iradon(given.T, np.degrees(-beam.angles), filter_name="ramp", circle=True)


def error(found: np.ndarray, wanted: np.ndarray, beam: ParallelBeam) -> float:
    return float(np.sqrt(np.mean((found - wanted)[beam.seen] ** 2)))


def one_slice(size: int, angles: int, repeats: int) -> dict[str, object]:
    print(f"\n== one slice of {size} x {size}, {angles} angles")
    beam = ParallelBeam(np.pi * np.arange(angles) / angles, size)
    sinogram, wanted = scaled(beam)
    ours = FilteredBackprojection(beam)
    ways = peers(beam) | {"Aureole, 1 thread": partial(ours.reconstruct, threads=1)}
    errors = {name: error(way(sinogram), wanted, beam) for name, way in ways.items()}
    rows = [Row(name, partial(lambda way: way(sinogram) is not None, way)) for name, way in ways.items()]
    common.measure(rows, repeats, warm=False)
    common.show_rows(rows, rows[0], rate=False)
    for name, value in errors.items():
        print(f"error of {name}: {value:.4f}")
    best = common.best_of(rows[: len(PROJECTORS)])
    value = common.ratio(best, rows[-1])
    common.show_ratio(f"against {best.name}", value, 50)
    return {
        "size": size,
        "angles": angles,
        "rows": common.rows_json(rows),
        "errors": errors,
        "best": best.name,
        "ratio": value,
    }


def peers(beam: ParallelBeam) -> dict[str, Reconstruct]:
    ways = {f"ASTRA {name}": astra_algorithm(beam, name, "FBP") for name in PROJECTORS}
    ways |= {f"algotom {name}": algotom(beam, name) for name in ("fbp", "dfi")}
    return ways | {"scikit-image": scikit(beam)}


def many_channels(size: int, angles: int, channels: int, repeats: int) -> dict[str, object]:
    print(f"\n== {channels} channels of {size} x {size}, {angles} angles")
    beam = ParallelBeam(np.pi * np.arange(angles) / angles, size)
    sinogram, _ = scaled(beam)
    many = np.broadcast_to(sinogram, (channels, *beam.shape)).copy()
    few = many[:3]

    def each(way: Reconstruct) -> int:
        return sum(way(one) is not None for one in few)

    rows = [Row(name, partial(each, way)) for name, way in peers(beam).items()]
    plan = FilteredBackprojection(beam)
    rows.append(Row(f"Aureole, {CORES} threads", lambda: len(plan.reconstruct(many))))
    rows.append(Row("Aureole, the variances", lambda: len(plan.variance(many))))
    common.measure(rows, repeats)
    common.show_rows(rows, rows[0], rate=False)
    best = common.best_of(rows[:-2])
    value = common.ratio(best, rows[-2])
    common.show_ratio(f"against a loop over slices by {best.name}", value, 10)
    return {
        "size": size,
        "angles": angles,
        "channels": channels,
        "rows": common.rows_json(rows),
        "best": best.name,
        "ratio": value,
    }


def small_scan(size: int, angles: int, channels: int, repeats: int) -> dict[str, object]:
    print(f"\n== all of a small scan: {channels} channels of {size} x {size}, {angles} angles")
    turn = np.pi * np.arange(angles) / angles
    counts = scaled(ParallelBeam(turn, size))[0] + 1
    first = np.broadcast_to(counts, (channels, *counts.shape)).copy()
    last = np.ascontiguousarray(np.moveaxis(first, 0, -1))

    def whole(sinograms: np.ndarray, channels_last: bool) -> int:
        plan = FilteredBackprojection(ParallelBeam(turn, size))
        found = [way(sinograms, channels_last=channels_last) for way in (plan.reconstruct, plan.variance)]
        return len(found) // 2

    rows = [
        Row("Aureole, (angles, translations, channels)", partial(whole, last, True)),
        Row("Aureole, (channels, angles, translations)", partial(whole, first, False)),
    ]
    common.measure(rows, repeats + 4)
    common.show_rows(rows, rate=False)
    return {"size": size, "angles": angles, "channels": channels, "rows": common.rows_json(rows)}


def iterations(size: int, angles: int, repeats: int) -> dict[str, object]:
    print(f"\n== iterations, {size} x {size}, {angles} angles, of one channel and of {16 * CORES}")
    beam = ParallelBeam(np.pi * np.arange(angles) / angles, size)
    sinogram, _ = scaled(beam)
    many = np.broadcast_to(sinogram, (16 * CORES, *beam.shape)).copy()
    facts = {}
    for name, solve in (("SIRT", sirt), ("CGLS", cgls)):
        rows = [
            Row(
                f"ASTRA {name} {projector}",
                partial(
                    lambda way: 4 * (way(sinogram) is not None), astra_algorithm(beam, projector, name, 4)
                ),
            )
            for projector in PROJECTORS
        ]
        ours = {
            "one channel, 1 thread": (many[:1], 1),
            f"one channel, {CORES} threads": (many[:1], CORES),
            f"one of {len(many)} channels, {CORES} threads": (many, CORES),
        }
        for what, (given, threads) in ours.items():
            run = partial(solve, beam, given, 4, threads=threads)
            rows.append(Row(f"Aureole {name}, {what}", partial(lambda run: 4 * len(run()), run)))
        common.measure(rows, repeats)
        common.show_rows(rows, rows[0], rate=False)
        best = common.best_of(rows[: len(PROJECTORS)])
        ratios = {
            what: common.ratio(best, row) for what, row in zip(ours, rows[len(PROJECTORS) :], strict=True)
        }
        for what, value in ratios.items():
            common.show_ratio(f"an iteration of {what}, against {best.name}", value, 3)
        facts[name] = {"rows": common.rows_json(rows), "best": best.name, "ratios": ratios}
    return {"size": size, "angles": angles, "solvers": facts}


def main() -> None:
    wanted = common.arguments(__doc__, channels=1000).parse_args()
    quick, repeats = wanted.quick, 2 if wanted.quick else 3
    small = (100, 150) if quick else (400, 600)
    common.save(
        "tomography",
        {
            "slice": one_slice(256 if quick else 2048, 200 if quick else 1500, 1),
            "channels": many_channels(*small, 32 if quick else wanted.channels, repeats),
            "small": small_scan(90, 60, 64 if quick else wanted.channels, repeats),
            "iterations": iterations(*small, repeats),
            "versions": {
                name: version(name) for name in ("astra-toolbox", "algotom", "scikit-image", "finufft")
            },
        },
    )


if __name__ == "__main__":
    main()
