"""``aureole demo``: the main job from end to end, on data that it makes itself."""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aureole.cli.terminal import progress_bar
from aureole.errors import OutputError

if TYPE_CHECKING:
    from aureole.io import Frames

_DESCRIPTION = """\
Simulate a powder in an oven as a Pilatus3 2M CdTe sees it, integrate the frames with
errors, draw the result, and say how fast that was. A second run in the same folder
takes the frames that are there."""

_EPILOG = """\
example:
  aureole demo --output demo"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "demo",
        usage="aureole demo [options]",
        help="simulate, integrate and draw a scan",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
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
    from aureole.runs.report import check_output
    from aureole.simulate import write_scan

    folder, poni = args.output / "frames", args.output / "scan.poni"
    if folder.is_dir() and poni.is_file():
        frames = open_frames(folder)
        if len(frames) != args.frames:
            raise OutputError(
                f"{folder}: holds {len(frames)} frames, not {args.frames}; remove it or choose another folder"
            )
        _say("simulated", f"{len(frames)} frames, by an earlier run")
        return frames, poni
    for name in ("patterns.h5", "patterns.png", "rings.png"):
        if args.output.is_dir():
            check_output(args.output / name)
    begin = perf_counter()
    distinct = max(1, args.frames // 2) if args.distinct is None else args.distinct
    scan = write_scan(
        args.output,
        args.frames,
        detector=args.detector,
        distinct=min(distinct, args.frames),
        threads=args.threads,
    )
    frames = open_frames(scan.frames)
    size = sum(path.stat().st_size for path in scan.frames.iterdir()) / len(frames)
    _say("simulated", f"{len(frames)} frames of {size / 1e6:.1f} MB in {perf_counter() - begin:.1f} s")
    return frames, scan.poni


def _say(title: str, text: str) -> None:
    print(f"{title:<11} {text}", flush=True)
