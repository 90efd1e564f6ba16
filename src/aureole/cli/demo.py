"""``aureole demo``: the main job from end to end, on a scan that it makes itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aureole.cli.terminal import progress_bar
from aureole.errors import OutputError, SpecError

if TYPE_CHECKING:
    from aureole.azimuthal import Plan
    from aureole.io import Frames
    from aureole.mapping.images import Reference
    from aureole.runs import RunReport
    from aureole.runs.report import Progress
    from aureole.simulate import Experiment, Rendered

_DESCRIPTION = """\
Simulate a diffraction tomogram: a sample of five phases, turned and translated in a pencil
beam, as a detector sees it. Its frames appear at the rate of the detector, and meanwhile
they are integrated; after the last one all bins are reconstructed, with errors, and fitted
with the patterns of the phases. The picture shows the phases found beside the true ones."""

_EPILOG = """\
example:
  aureole demo --output demo"""

_BINS = 1000


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "demo",
        usage="aureole demo [options]",
        help="simulate, reduce and draw a tomogram",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run, stopped="what was complete is kept")
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("demo"), help="folder (default: demo)"
    )
    parser.add_argument("--translations", type=int, default=48, metavar="N", help="default: 48")
    parser.add_argument("--angles", type=int, default=40, metavar="M", help="default: 40")
    parser.add_argument(
        "--rate", type=float, default=250.0, metavar="HZ", help="frames per second (default: 250)"
    )
    parser.add_argument(
        "--detector", default="Pilatus 300k CdTe", metavar="NAME", help="default: Pilatus 300k CdTe"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="number of threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Simulate, reduce, draw."""
    from aureole.cli.draw_phases import draw_phases
    from aureole.simulate import Beamline, Experiment, XrdctScan, sample

    result, picture = args.output / "tomogram.h5", args.output / "phases.png"
    scan = XrdctScan(translations=args.translations, angles=args.angles, wander=0.1)
    experiment = Experiment(sample(), scan, Beamline(detector=args.detector))
    if not 0.0 < args.rate < float("inf"):
        raise SpecError(f"--rate must be a positive number of frames per second, not {args.rate:g}")
    plan = _plan(experiment, args.threads)
    earlier = _earlier(args.output, experiment)
    report = _again(args, plan, result) if earlier else _live(args, experiment, plan, result)
    draw_phases(result, args.output / "truth.h5", picture, overwrite=True)
    for title, path in (("tomogram", result), ("picture", picture)):
        _say(title, str(path))
    return 1 if report.issues else 0


def _plan(experiment: Experiment, threads: int | None) -> Plan:
    from aureole.axis import Axis
    from aureole.azimuthal import IntegrationSpec

    spec = IntegrationSpec(
        experiment.geometry,
        radial=Axis("q_nm^-1", _BINS),
        error_model="poisson",
        polarization_factor=0.99,
    )
    return spec.plan(threads=threads)


def _earlier(folder: Path, experiment: Experiment) -> bool:
    """Return whether an earlier run made the same scan; refuse what is another's."""
    from aureole.simulate.truth import scan_table

    table = folder / "scan.csv"
    if not table.exists():
        return False
    frames = folder / "frames"
    complete = frames.is_dir() and len(list(frames.glob("scan_*.cbf"))) == len(experiment)
    if not complete or table.read_text(encoding="utf-8") != scan_table(experiment):
        raise OutputError(
            f"{folder}: holds another scan, or part of one; remove it, or choose another folder"
        )
    return True


def _again(args: argparse.Namespace, plan: Plan, result: Path) -> RunReport:
    """Reduce the frames of an earlier run."""
    from aureole.io import open_frames

    phases = _references(args.output / "references", plan)
    with (
        open_frames(args.output / "frames") as frames,
        progress_bar("reading", "integrating") as progress,
    ):
        report = _reduce(args, frames, plan, phases, result, progress)
    _say("reduced", f"{report.done} frames of an earlier run in {report.seconds:.2f} s")
    return report


def _live(args: argparse.Namespace, experiment: Experiment, plan: Plan, result: Path) -> RunReport:
    """Draw the frames; release them at the pace of a detector, and reduce them meanwhile."""
    from aureole.io.series import await_frames
    from aureole.simulate import release, render

    begin = perf_counter()
    with progress_bar("preparing", "drawing") as progress:
        rendered = render(experiment, args.output, threads=args.threads, progress=progress)
    size = sum(path.stat().st_size for path in rendered.hidden.glob("frames/*.cbf")) / len(experiment)
    _say("drawn", f"{len(experiment)} frames of {size / 1e6:.2f} MB in {perf_counter() - begin:.1f} s")
    phases = _references(args.output / "references", plan)
    ended: list[float] = []
    with ThreadPoolExecutor(1) as detector, _discarding(rendered):
        released = detector.submit(release, rendered, args.rate)
        released.add_done_callback(lambda _: ended.append(perf_counter()))
        template = str(rendered.frames / "scan_%05d.cbf")
        with (
            await_frames(template, len(experiment), 10.0) as frames,
            progress_bar("waiting", "integrating") as progress,
        ):
            report = _reduce(args, frames, plan, phases, result, progress)
        after = perf_counter() - ended[0]
    pace = f"{released.result().rate:.0f} frames/s"
    _say("scanned", f"{len(experiment)} frames at {pace}, {report.done} of them integrated as they came")
    _say("finished", f"{after:.2f} s after the last frame, {_BINS} bins reconstructed with errors")
    return report


@contextmanager
def _discarding(rendered: Rendered) -> Iterator[None]:
    """Stop the frames from appearing, and remove them, if the block fails."""
    try:
        yield
    except BaseException:
        rendered.discard()
        raise


def _references(folder: Path, plan: Plan) -> dict[str, Reference]:
    """Integrate what each phase scatters alone, as the scan is integrated."""
    from aureole.io import open_frames

    found: dict[str, Reference] = {}
    for path in sorted(folder.glob("*.cbf")):
        with open_frames(path) as frames:
            pattern = plan.integrate(frames)[0]
            steps = float(frames.header(0)["Steps"])
            assert plan.bins.radial is not None
            found[path.stem] = (plan.bins.radial, pattern.intensity / steps)
    return found


def _reduce(
    args: argparse.Namespace,
    frames: Frames,
    plan: Plan,
    phases: dict[str, Reference],
    result: Path,
    progress: Progress | None,
) -> RunReport:
    from functools import partial

    import numpy as np

    from aureole.io import read_positions, read_scalars
    from aureole.io.nexus import Site
    from aureole.mapping.images import ImageRequest
    from aureole.mapping.scan import ScanAxis, raster
    from aureole.mapping.tomography import Corrections, Reconstruction, TomographyRequest
    from aureole.mapping.xrdct import xrdct_series
    from aureole.runs import RunOptions

    angles = np.arange(args.angles) * (180.0 / args.angles)
    axes = (
        ScanAxis("rotation", angles, "deg"),
        ScanAxis("translation", 0.05 * np.arange(args.translations), "mm"),
    )
    table = args.output / "scan.csv"
    request = TomographyRequest(
        corrections=Corrections(),
        reconstruction=Reconstruction(),
        images=ImageRequest(phases=phases),
        transmission=partial(read_positions, f"{table}:transmission", frames, what="transmission"),
        transmission_name=f"{table}:transmission",
    )
    options = RunOptions(
        threads=args.threads,
        overwrite=True,
        monitor=read_scalars(f"{table}:monitor", frames),
        site=Site(instrument="aureole demo", source="simulated", wavelength=plan.spec.geometry.wavelength),
        progress=progress,
    )
    return xrdct_series(plan, frames, raster(axes, len(frames)), result, request=request, options=options)


def _say(title: str, text: str) -> None:
    print(f"{title:<11} {text}", flush=True)
