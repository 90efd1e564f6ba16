"""``aureole simulate``: a scan of a known sample, as a beamline would leave it."""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aureole.cli.terminal import note, progress_bar
from aureole.errors import SpecError

if TYPE_CHECKING:
    from aureole.simulate import Experiment, MapScan, Released, Rendered, XrdctScan

_PROG = "aureole simulate"

_DESCRIPTION = """\
Simulate a scan of a sample of several phases with a pencil beam: a diffraction
tomogram (xrdct) or a map of a thin sample (map).

Frames are CBF files with Pilatus headers in DIR/frames, or Eiger HDF5. Beside them are
scan.poni (where the detector stands), scan.csv (where each frame was, monitor and
transmission), truth.h5 (the phases, their patterns, the rotation axis) and references, a
frame of each phase alone. All frames are drawn first, out of sight; then they appear at
the rate given, or at once."""

_EPILOG = """\
examples:
  aureole simulate xrdct -o scan --translations 60 --angles 90
  aureole simulate xrdct -o live --translations 60 --angles 90 --rate 250
  aureole simulate map -o map --shape 30,40 --zigzag"""

_XRDCT_ONLY = ("translations", "angles", "order", "angle_range", "center", "half_acquisition", "wander")


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "simulate",
        usage="aureole simulate xrdct|map -o DIR [options]",
        help="a scan of a known sample, with its truth",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run, stopped="nothing of the scan remains")
    files = parser.add_argument_group("files")
    files.add_argument("kind", choices=("xrdct", "map"), help="what to scan: a tomogram or a map")
    files.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="folder of the scan")
    files.add_argument(
        "--format", choices=("cbf", "eiger"), default="cbf", help="files of the frames (default: cbf)"
    )
    files.add_argument(
        "--rate", type=float, metavar="HZ", help="frames to appear per second (default: all at once)"
    )
    _add_scan(parser)
    _add_sample(parser)
    running = parser.add_argument_group("running")
    running.add_argument("--threads", type=int, metavar="N", help="number of threads (default: all cores)")


def _add_scan(parser: argparse.ArgumentParser) -> None:
    xrdct = parser.add_argument_group("tomograms (xrdct)")
    xrdct.add_argument("--translations", type=int, metavar="N", help="number of translations (default: 60)")
    xrdct.add_argument("--angles", type=int, metavar="M", help="number of angles (default: 90)")
    xrdct.add_argument(
        "--order",
        choices=("translation-first", "rotation-first"),
        help="which axis is the fast one (default: translation-first)",
    )
    xrdct.add_argument(
        "--angle-range", type=float, metavar="DEG", help="angles are i DEG/M (default: 180, or 360 with half)"
    )
    xrdct.add_argument(
        "--center", type=float, metavar="X", help="rotation axis, in steps (default: a little off the middle)"
    )
    xrdct.add_argument(
        "--half-acquisition",
        action="store_true",
        default=None,
        help="the axis near an edge, 360 degrees",
    )
    xrdct.add_argument(
        "--wander", type=float, metavar="STEPS", help="rms wandering of the rotation axis (default: 0.1)"
    )
    raster = parser.add_argument_group("maps (map)")
    raster.add_argument("--shape", metavar="ROWS,COLUMNS", help="number of points (default: 30,40)")
    both = parser.add_argument_group("scan")
    both.add_argument("--layers", type=int, default=1, metavar="N", help="number of z layers (default: 1)")
    both.add_argument("--zigzag", action="store_true", help="every second line runs backwards")
    both.add_argument(
        "--backlash",
        type=float,
        default=0.0,
        metavar="STEPS",
        help="by how much lines running backwards are off",
    )
    both.add_argument("--continuous", action="store_true", help="the fast axis moves during the exposures")
    both.add_argument(
        "--interlaced", type=int, default=1, metavar="N", help="passes over the slow axis (default: 1)"
    )


def _add_sample(parser: argparse.ArgumentParser) -> None:
    sample = parser.add_argument_group("sample and beamline")
    sample.add_argument(
        "--phases",
        default="CeO2,LaB6,Ni,Al2O3,amorphous",
        metavar="LIST",
        help="phases of the sample (default: CeO2,LaB6,Ni,Al2O3,amorphous)",
    )
    sample.add_argument(
        "--spotty", default="", metavar="LIST", help="phases with coarse grains (default: none)"
    )
    sample.add_argument(
        "--transmission",
        type=float,
        default=0.5,
        metavar="T",
        help="of the ray that is absorbed most; 1: no absorption (default: 0.5)",
    )
    sample.add_argument(
        "--detector", default="Pilatus 2M CdTe", metavar="NAME", help="default: Pilatus 2M CdTe"
    )
    sample.add_argument(
        "--energy", type=float, default=71.0, metavar="KEV", help="of the photons (default: 71)"
    )
    sample.add_argument(
        "--counts", type=float, default=100.0, metavar="N", help="mean of a valid pixel (default: 100)"
    )
    sample.add_argument(
        "--decay",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of the beam, between refills (default: 0.1)",
    )
    sample.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Simulate."""
    from aureole.simulate import check_rate, release, render

    check_rate(args.rate)
    if args.rate is not None and args.format == "eiger":
        raise SpecError(
            "--rate: an Eiger's files hold 1000 frames each; frames appear one by one as CBF only"
        )
    experiment = _experiment(args)
    begin = perf_counter()
    with progress_bar("preparing", "drawing") as progress:
        rendered = render(experiment, args.output, form=args.format, threads=args.threads, progress=progress)
    seconds = perf_counter() - begin
    try:
        rate = len(experiment) / seconds
        print(f"drawn       {len(experiment)} frames in {seconds:.1f} s ({rate:.1f} frames/s)", flush=True)
        with progress_bar("waiting", "releasing") as progress:
            released = release(rendered, args.rate, progress=progress)
    except BaseException:
        rendered.discard()
        raise
    _tell(args, rendered, released)
    return 0


def _experiment(args: argparse.Namespace) -> Experiment:
    from aureole.simulate import Beamline, Experiment, sample

    scan = _map(args) if args.kind == "map" else _xrdct(args)
    beamline = Beamline(
        detector=args.detector,
        energy_kev=args.energy,
        counts=args.counts,
        transmission=args.transmission,
        decay=args.decay,
        spotty=_names(args.spotty),
        seed=args.seed,
    )
    return Experiment(sample(_names(args.phases)), scan, beamline)


def _xrdct(args: argparse.Namespace) -> XrdctScan:
    from aureole.simulate import XrdctScan

    if args.shape is not None:
        raise SpecError("--shape is of maps; a tomogram has --translations and --angles")
    return XrdctScan(
        translations=60 if args.translations is None else args.translations,
        angles=90 if args.angles is None else args.angles,
        layers=args.layers,
        order=args.order or "translation-first",
        zigzag=args.zigzag,
        continuous=args.continuous,
        interlaced=args.interlaced,
        angle_range=args.angle_range,
        center=args.center,
        half_acquisition=bool(args.half_acquisition),
        wander=0.1 if args.wander is None else args.wander,
        backlash=args.backlash,
        seed=args.seed,
    )


def _map(args: argparse.Namespace) -> MapScan:
    from aureole.simulate import MapScan

    for name in _XRDCT_ONLY:
        if getattr(args, name) is not None:
            raise SpecError(f"--{name.replace('_', '-')} is of tomograms; a map has --shape ROWS,COLUMNS")
    try:
        rows, columns = (int(number) for number in (args.shape or "30,40").split(","))
    except ValueError:
        raise SpecError(f"--shape is ROWS,COLUMNS such as 30,40, not {args.shape!r}") from None
    return MapScan(
        rows=rows,
        columns=columns,
        layers=args.layers,
        zigzag=args.zigzag,
        continuous=args.continuous,
        interlaced=args.interlaced,
        backlash=args.backlash,
    )


def _names(given: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in given.split(",") if name.strip())


def _tell(args: argparse.Namespace, rendered: Rendered, released: Released) -> None:
    print(f"frames      {rendered.frames}")
    print(
        f"tables      {', '.join(str(args.output / name) for name in ('scan.poni', 'scan.csv', 'truth.h5'))}"
    )
    print(f"references  {args.output / 'references'}")
    if args.rate is not None:
        late = f"the latest {released.latest * 1e3:.1f} ms behind its time"
        print(f"released    {released.rate:.1f} frames/s, {late}")
        if released.rate < 0.99 * args.rate:
            note(_PROG, f"{args.rate:g} frames/s were not reached: the disk or the machine is too slow")
