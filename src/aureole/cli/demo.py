"""``aureole demo``: the main job from end to end, on data that it makes itself."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aureole.cli.terminal import progress_bar
from aureole.errors import OutputError, SpecError

if TYPE_CHECKING:
    from aureole.geometry import Geometry
    from aureole.io import Frames

_DESCRIPTION = """\
Simulate a powder in an oven as a Pilatus3 2M CdTe sees it, integrate the frames with
errors, draw the result, and say how fast that was. A second run in the same folder
takes the frames that are there, or replaces them if they are not those asked for."""

_EPILOG = """\
example:
  aureole demo --output demo"""

_OURS = re.compile(r"frame_\d{5,}\.cbf")


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "demo",
        usage="aureole demo [options]",
        help="simulate, integrate and draw a scan",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run, stopped="what was complete is kept")
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("demo"), help="folder (default: demo)"
    )
    parser.add_argument("--frames", type=int, default=250, metavar="N", help="how many (default: 250)")
    parser.add_argument(
        "--distinct",
        type=int,
        metavar="N",
        help="how many of them differ, the others are hard links (default: half of them)",
    )
    parser.add_argument(
        "--detector", default="Pilatus 2M CdTe", metavar="NAME", help="default: Pilatus 2M CdTe"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="number of threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Simulate, integrate, draw."""
    from aureole.axis import Axis
    from aureole.azimuthal import IntegrationSpec
    from aureole.cli.plot import plot_frame, plot_result
    from aureole.io import load
    from aureole.io.nexus import Site
    from aureole.runs.integrate import integrate_series
    from aureole.runs.report import RunOptions
    from aureole.threads import checked_threads

    threads = checked_threads(args.threads)
    result, picture, rings = (args.output / name for name in ("patterns.h5", "patterns.png", "rings.png"))
    frames, poni = _scan(args)
    with frames:
        begin = perf_counter()
        geometry = load(poni)
        spec = IntegrationSpec(
            geometry, radial=Axis("q_nm^-1", 1000), error_model="poisson", polarization_factor=0.99
        )
        plan = spec.plan(threads=threads)
        _say(
            "table",
            f"made in {perf_counter() - begin:.2f} s: {plan.shape[0]} x {plan.shape[1]} pixels to 1000 bins",
        )
        with progress_bar("reading", "integrating") as progress:
            options = RunOptions(
                threads=threads,
                overwrite=True,
                site=Site(instrument="aureole demo", source="simulated", wavelength=geometry.wavelength),
                parameters={"poni": str(poni.resolve())},
                progress=progress,
            )
            report = integrate_series(plan, frames, result, options=options)
        how = f"with Poisson errors, {threads} thread{'s' * (threads != 1)}, CBF files to HDF5"
        _say(
            "integrated",
            f"{report.done} frames in {report.seconds:.2f} s: {report.rate:.0f} frames/s ({how})",
        )
        plot_result(result, picture, overwrite=True)
        plot_frame(frames, 0, rings, geometry=geometry, calibrant_name="CeO2", overwrite=True)
    for title, path in (("results", result), ("picture", picture), ("rings", rings)):
        _say(title, str(path))
    return 1 if report.issues else 0


def _scan(args: argparse.Namespace) -> tuple[Frames, Path]:
    """Return the frames and the PONI file of the scan, made now or by an earlier run in the same folder."""
    from aureole.io import open_frames
    from aureole.simulate import Powder, write_scan

    folder, poni = args.output / "frames", args.output / "scan.poni"
    distinct = max(1, args.frames // 2) if args.distinct is None else min(args.distinct, args.frames)
    if min(args.frames, distinct) < 1:
        raise SpecError(f"a scan has at least one frame, not {min(args.frames, distinct)}")
    geometry = Powder(detector=args.detector).geometry()
    made = f"{args.frames} frames" + (f" ({distinct} distinct ones)" if distinct < args.frames else "")
    earlier = _earlier_frames(folder)
    distinct_earlier = len({path.stat().st_ino for path in earlier})
    if (len(earlier), distinct_earlier) == (args.frames, distinct) and _is_of(poni, geometry):
        _say("simulated", f"{made}, by an earlier run")
        return open_frames(folder), poni
    if not earlier:
        _refuse_others_results(args.output)
    begin = perf_counter()
    args.output.mkdir(parents=True, exist_ok=True)
    # What is under way lies apart, so that an interrupted run leaves no scan that is half of one.
    with TemporaryDirectory(prefix=".simulating-", dir=args.output, ignore_cleanup_errors=True) as work:
        scan = write_scan(work, args.frames, detector=args.detector, distinct=distinct, threads=args.threads)
        if earlier:
            folder.rename(Path(work) / "earlier")
        scan.frames.rename(folder)
        scan.poni.replace(poni)
    frames = open_frames(folder)
    size = sum(path.stat().st_size for path in folder.iterdir()) / len(frames)
    _say("simulated", f"{made} of {size / 1e6:.1f} MB in {perf_counter() - begin:.1f} s")
    return frames, poni


def _earlier_frames(folder: Path) -> list[Path]:
    """Return the frames that an earlier run made; whatever else is in their folder is not ours to touch."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        with path.open("rb") as file:
            if not (_OURS.fullmatch(path.name) and b", simulated" in file.read(4096)):
                raise OutputError(f"{path}: was not made by the demo; choose another folder (--output)")
    return paths


def _is_of(poni: Path, geometry: Geometry) -> bool:
    from aureole.io import load

    return poni.is_file() and load(poni) == geometry


def _refuse_others_results(folder: Path) -> None:
    for name in ("scan.poni", "patterns.h5", "patterns.png", "rings.png"):
        if os.path.lexists(folder / name):
            raise OutputError(
                f"{folder / name}: exists, without frames of the demo; choose another folder (--output)"
            )


def _say(title: str, text: str) -> None:
    print(f"{title:<11} {text}", flush=True)
