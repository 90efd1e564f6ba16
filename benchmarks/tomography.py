"""Sinograms to slices: filtered backprojection and iterative solvers, against ASTRA, algotom, scikit-image.

One large slice, where ASTRA tries each of its projectors for the processor; a thousand small channels of one
scan, where the peers go slice by slice; and one iteration of SIRT and CGLS. Errors are those against the
phantom, ellipses whose projections are known exactly, inside the circle that all angles see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
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
    ways: dict[str, Reconstruct] = {
        f"ASTRA {name}": astra_algorithm(beam, name, "FBP") for name in PROJECTORS
    }
    ways |= {f"algotom {name}": algotom(beam, name) for name in ("fbp", "dfi")}
    ways["scikit-image"] = scikit(beam)
    ways["Aureole"] = partial(ours.reconstruct, threads=1)
    errors = {name: error(way(sinogram), wanted, beam) for name, way in ways.items()}
    rows = [Row(name, partial(lambda way: way(sinogram) is not None, way)) for name, way in ways.items()]
    common.measure(rows, repeats, warm=False)
    common.show_rows(rows, rows[0], rate=False)
    for name, value in errors.items():
        print(f"error of {name}: {value:.4f}")
    best = common.best_of(rows[: len(PROJECTORS)])
    value = common.ratio(best, rows[-1])
    common.show_ratio(f"against {best.name}", value, 50)
    return {"size": size, "angles": angles, "rows": common.rows_json(rows), "errors": errors, "ratio": value}


def many_channels(size: int, angles: int, channels: int, repeats: int) -> dict[str, object]:
    print(f"\n== {channels} channels of {size} x {size}, {angles} angles")
    beam = ParallelBeam(np.pi * np.arange(angles) / angles, size)
    sinogram, _ = scaled(beam)
    many = np.broadcast_to(sinogram, (channels, *beam.shape)).copy()
    few = many[:3]
    ways = {f"ASTRA {name}": astra_algorithm(beam, name, "FBP") for name in PROJECTORS}
    ways |= {f"algotom {name}": algotom(beam, name) for name in ("fbp", "dfi")}
    ways["scikit-image"] = scikit(beam)

    def each(way: Reconstruct) -> int:
        return sum(way(one) is not None for one in few)

    rows = [Row(name, partial(each, way)) for name, way in ways.items()]
    plan = FilteredBackprojection(beam)
    rows.append(Row(f"Aureole, {CORES} threads", lambda: len(plan.reconstruct(many))))
    rows.append(Row("Aureole, the variances", lambda: len(plan.variance(many))))
    common.measure(rows, repeats)
    common.show_rows(rows, rows[0], rate=False)
    best = common.best_of(rows[:-2])
    value = common.ratio(best, rows[-2])
    common.show_ratio(f"against a loop over slices by {best.name}", value, 10)
    return {"channels": channels, "rows": common.rows_json(rows), "ratio": value}


def iterations(size: int, angles: int, repeats: int) -> dict[str, object]:
    print(f"\n== iterations, {size} x {size}, {angles} angles, 32 channels")
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
        rows.append(Row(f"Aureole {name}", partial(lambda solve: 4 * len(solve(beam, many, 4)), solve)))
        common.measure(rows, repeats)
        common.show_rows(rows, rows[0], rate=False)
        best = common.best_of(rows[:-1])
        value = common.ratio(best, rows[-1])
        common.show_ratio(f"an iteration of a channel, against {best.name}", value, 3)
        facts[name] = {"rows": common.rows_json(rows), "ratio": value}
    return facts


def main() -> None:
    wanted = common.arguments(__doc__, channels=1000).parse_args()
    quick, repeats = wanted.quick, 2 if wanted.quick else 3
    small = (100, 150) if quick else (400, 600)
    common.save(
        "tomography",
        {
            "slice": one_slice(256 if quick else 2048, 200 if quick else 1500, 1),
            "channels": many_channels(*small, 32 if quick else wanted.channels, repeats),
            "iterations": iterations(*small, repeats),
        },
    )


if __name__ == "__main__":
    main()
