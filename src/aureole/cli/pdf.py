"""``aureole pdf``: pair distribution functions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.cli.terminal import note
from aureole.errors import InputError, SpecError

if TYPE_CHECKING:
    from aureole.pdf import PDFSpec, PDFTransform
    from aureole.pdf.patterns import Pattern

_PROG = "aureole pdf"
_UNITS = ("q_A^-1", "q_nm^-1", "2th_deg", "2th_rad")
_STAGES = ("iq", "sq", "fq")
_LONG = 2.0
"""Distance in Å that bonds of most materials do not reach."""

_DESCRIPTION = """\
Turn powder patterns into pair distribution functions: I(q) to S(q), F(q) and G(r).

PATTERN is text with two or three columns (.xy, .xye, .chi, .dat), and OUT a .gr file
that programs for PDF refinement read; or patterns, a map or a tomogram of Aureole, and
OUT an HDF5 file with G(r) at all of their places. Errors of the patterns are carried to
G(r). Lengths are in angstrom, q in 1/angstrom.

Mode polynomial removes by a polynomial all that scatters smoothly, and needs little;
mode physical works out absolute normalisation, Compton scattering and fluorescence."""

_EPILOG = """\
examples:
  aureole pdf LaB6.xye --unit 2th_deg --wavelength 0.2708e-10 --composition LaB6 \\
      --background capillary.xye --qmax 23 -o LaB6.gr
  aureole pdf glass.xy --composition SiO2 --qmax 20 --window lorch --save sq fq -o glass.gr
  aureole pdf glass.xy --composition SiO2 --mode physical --energy 76 --density 0.066 -o glass.gr
  aureole pdf tomogram.h5 --composition Ni --qmax 18 --rmax 15 -o pdfct.h5"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "pdf",
        usage="aureole pdf PATTERN --composition FORMULA -o OUT [options]",
        help="pair distribution functions",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    parser.add_argument("pattern", metavar="PATTERN", help="text, or a result, map or tomogram of Aureole")
    parser.add_argument(
        "-o", "--output", metavar="OUT", type=Path, required=True, help=".gr, or HDF5 (.h5, .nxs)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    parser.add_argument(
        "--composition", metavar="FORMULA", required=True, help="such as LaB6, Ca0.5Sr0.5TiO3 or (SiO2)2NaCl"
    )
    parser.add_argument(
        "--save", nargs="+", choices=_STAGES, default=[], help="write I(q), S(q), F(q) too, beside OUT"
    )
    parser.add_argument("--plot", metavar="FILE", type=Path, help="draw a picture too (PNG, PDF or SVG)")
    _add_input(parser.add_argument_group("patterns"))
    _add_transform(parser.add_argument_group("from I(q) to G(r)"))
    _add_physical(parser.add_argument_group("mode physical"))


def _add_input(group: argparse._ActionsContainer) -> None:
    group.add_argument("--unit", choices=_UNITS, help="of positions in text (default: as the file says)")
    either = group.add_mutually_exclusive_group()
    either.add_argument("--energy", type=float, metavar="KEV", help="photon energy in keV")
    either.add_argument("--wavelength", type=float, metavar="M", help="wavelength in metres")
    group.add_argument("--background", metavar="FILE", help="pattern to subtract")
    group.add_argument(
        "--background-unit", choices=_UNITS, metavar="UNIT", help="of its positions (default: as --unit)"
    )
    group.add_argument(
        "--background-scale", type=float, default=1.0, metavar="S", help="times this (default: 1)"
    )


def _add_transform(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--mode", choices=("polynomial", "physical"), default="polynomial", help="(default: polynomial)"
    )
    group.add_argument("--qmin", type=float, metavar="Q", help="begin of F(q) (default: of the data)")
    group.add_argument("--qmax", type=float, metavar="Q", help="end of F(q) (default: of the data)")
    group.add_argument(
        "--qmaxinst",
        type=float,
        metavar="Q",
        help="end of what scale and polynomial are fitted to (default: of the data)",
    )
    group.add_argument(
        "--rpoly",
        type=float,
        metavar="R",
        help="the polynomial takes away what would be below R in G(r) (default: 0.9; none in mode physical)",
    )
    group.add_argument("--rmin", type=float, default=0.0, metavar="R", help="begin of G(r) (default: 0)")
    group.add_argument("--rmax", type=float, default=30.0, metavar="R", help="end of G(r) (default: 30)")
    group.add_argument("--rstep", type=float, default=0.01, metavar="R", help="step of G(r) (default: 0.01)")
    group.add_argument(
        "--window", choices=("none", "lorch"), default="none", help="weigh F(q) down towards qmax"
    )


def _add_physical(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--density", type=float, default=0.0, metavar="N", help="atoms in a cubic angstrom, if known"
    )
    group.add_argument(
        "--fluorescence",
        default="0",
        metavar="LEVEL|fit",
        help="constant in electron units an atom, or fit (default: 0)",
    )
    group.add_argument(
        "--polarization-factor", type=float, metavar="F", help="still to be corrected for, from -1 to 1"
    )
    group.add_argument(
        "--recoil-power",
        type=int,
        choices=(2, 3),
        default=2,
        help="2 for detectors that count photons, 3 for those that add up energies (default: 2)",
    )
    group.add_argument(
        "--rnorm", type=float, default=1.0, metavar="R", help="no atoms are closer than R (default: 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Transform."""
    from aureole.io.sniff import NEXUS_ENDINGS
    from aureole.runs.report import check_output

    inputs = [args.pattern, *([args.background] if args.background else [])]
    for path in (args.output, *_beside(args).values(), *([args.plot] if args.plot else [])):
        check_output(path, inputs, overwrite=args.overwrite)
    if args.plot is not None:
        from aureole.cli.figures import check_picture

        check_picture(args.plot)
    if args.output.suffix.lower() in NEXUS_ENDINGS:
        return _run_all(args)
    if args.output.suffix.lower() != ".gr":
        raise SpecError(f"{args.output}: G(r) is written as .gr, or as HDF5 ({', '.join(NEXUS_ENDINGS)})")
    return _run_one(args)


def _run_one(args: argparse.Namespace) -> int:
    import numpy as np

    from aureole.pdf.patterns import read_pattern
    from aureole.pdf.text import write_gr, write_stage

    wavelength = _wavelength(args)
    spec = _spec(args, wavelength)
    _tell_lost(spec)
    pattern = read_pattern(args.pattern, args.unit, wavelength)
    plan = _plan(args, spec, pattern.q)
    missing = ~np.isfinite(pattern.intensity) & (pattern.q >= plan.q[0]) & (pattern.q <= plan.q[-1])
    if missing.any():
        raise InputError(
            f"{args.pattern}: {np.count_nonzero(missing)} points between qmin and qmaxinst have no value, "
            f"the first at q = {pattern.q[missing][0]:.4g} 1/Å"
        )
    stages = plan.stages(pattern.intensity, pattern.variance)
    _tell_negative(stages.i, stages.q)
    found = plan(pattern.intensity, pattern.variance)
    limits = {name: f"{value:.9g}" for name, value in plan.limits.items()}
    facts = {**limits, "inputfile": args.pattern, "backgroundfile": args.background}
    write_gr(args.output, spec, found, facts, overwrite=args.overwrite)
    for path in _beside(args).values():
        write_stage(path, spec, stages, facts, overwrite=args.overwrite)
    if args.plot is not None:
        from aureole.cli.draw_pdf import draw_pdf

        draw_pdf(stages, found, args.plot, title=args.pattern, overwrite=args.overwrite)
    errors = "with errors" if found.sigma is not None else "without errors, since the pattern has none"
    print(
        f"{args.output}: G(r) at {len(found.r)} distances, of q from {plan.limits['qmin']:.4g} to "
        f"{plan.limits['qmax']:.4g} 1/Å, scale {float(found.scale):.4g}, {errors}"
    )
    return 0


def _beside(args: argparse.Namespace) -> dict[str, Path]:
    return {kind: args.output.with_suffix(f".{kind}") for kind in args.save}


def _run_all(args: argparse.Namespace) -> int:
    from math import prod

    from aureole.pdf.volume import pdf_of_results

    if args.save:
        raise SpecError(
            "--save: I(q), S(q) and F(q) are written of a single pattern only, with OUT ending in .gr"
        )
    facts = {"background": str(Path(args.background).resolve())} if args.background else {}
    report = pdf_of_results(
        args.pattern,
        args.output,
        _spec(args, _wavelength(args)),
        background=None if args.background is None else lambda spec, q: _background(args, spec, q),
        facts=facts,
        overwrite=args.overwrite,
    )
    _tell_lost(report.spec)
    places = prod(report.shape)
    if report.incomplete:
        note(_PROG, f"{report.incomplete} of {places} patterns lack values between qmin and qmaxinst: NaN")
    doubtful = places - report.scaled - report.incomplete
    if doubtful:
        note(_PROG, f"{doubtful} of {places} patterns are too faint for a scale, as air is: NaN")
    if args.plot is not None:
        from aureole.cli.draw_pdf import draw_volume

        draw_volume(args.output, args.plot, overwrite=args.overwrite)
    shape = " x ".join(map(str, report.shape))
    print(f"{args.output}: G(r) at {report.scaled} of {shape} places, {len(report.spec.r)} distances")
    return 0


def _plan(args: argparse.Namespace, spec: PDFSpec, q: Any) -> PDFTransform:
    from aureole.pdf import PDFTransform

    if args.background is None:
        return PDFTransform(spec, q)
    background = _background(args, spec, q)
    return PDFTransform(spec, q, background.intensity, background_variance=background.variance)


def _background(args: argparse.Namespace, spec: PDFSpec, q: Any) -> Pattern:
    from aureole.pdf.patterns import read_pattern

    return read_pattern(args.background, args.background_unit or args.unit, spec.wavelength).on(q)


def _tell_negative(intensity: Any, q: Any) -> None:
    """Warn where there is less than the background."""
    import numpy as np

    below = np.flatnonzero(intensity < 0.0)
    if below.size:
        note(
            _PROG,
            f"{below.size} of {len(q)} points are negative without their background, the first at "
            f"q = {q[below[0]]:.4g} 1/Å: check --background-scale",
        )


def _tell_lost(spec: PDFSpec) -> None:
    """Warn where the polynomial takes away what bonds make."""
    if spec.rpoly is not None and spec.rpoly > _LONG:
        note(_PROG, f"rpoly {spec.rpoly:g}: bonds that are shorter are taken away with the background")


def _wavelength(args: argparse.Namespace) -> float | None:
    from aureole.units import HC_KEV_M

    if args.energy is not None:
        if not 1.0 <= args.energy <= 1000.0:
            raise SpecError(f"--energy {args.energy:g}: is in keV, from 1 to 1000")
        return float(HC_KEV_M / args.energy)
    if args.wavelength is not None and not 1e-13 < args.wavelength < 1e-8:
        raise SpecError(f"--wavelength {args.wavelength:g}: is in metres, such as 1.54e-10")
    return None if args.wavelength is None else float(args.wavelength)


def _spec(args: argparse.Namespace, wavelength: float | None) -> PDFSpec:
    from aureole.pdf import PDFSpec

    level: Any = args.fluorescence
    if level != "fit":
        try:
            level = float(level)
        except ValueError:
            raise SpecError(f"--fluorescence {level}: wanted is fit, or a number") from None
    return PDFSpec(
        args.composition,
        mode=args.mode,
        qmin=args.qmin,
        qmax=args.qmax,
        qmaxinst=args.qmaxinst,
        rpoly=args.rpoly,
        rmin=args.rmin,
        rmax=args.rmax,
        rstep=args.rstep,
        window=args.window,
        background_scale=args.background_scale,
        wavelength=wavelength,
        density=args.density,
        fluorescence=level,
        polarization_factor=args.polarization_factor,
        recoil_power=args.recoil_power,
        rnorm=args.rnorm,
    )
