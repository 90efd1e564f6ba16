"""What the verbs that integrate share: the options that make a plan, and how they become one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.cluster import add_cluster, executor
from aureole.cli.terminal import note
from aureole.errors import InputError, SpecError

if TYPE_CHECKING:
    from aureole.axis import Axis
    from aureole.azimuthal import Clip, IntegrationSpec, NamedArray, Plan, Trim
    from aureole.azimuthal.spec import ErrorModel
    from aureole.geometry import Geometry, Sample
    from aureole.io import Frames
    from aureole.runs import RunOptions
    from aureole.runs.executors import Executor
    from aureole.runs.report import Progress

_COUNTERS = ("pilatus", "eiger", "lambda")
"""Beginnings of the names of detectors whose pixels hold numbers of photons."""

UNITS_EPILOG = """\
units of --unit (default q_nm^-1):
  q_nm^-1 q_A^-1 2th_deg 2th_rad d_nm d_A d_m r_mm r_m d*2_A^-2 d*2_nm^-2 log10(q.m)_None
  log(q.nm)_None log(1+q.nm)_None log(1+q.A)_None arcsinh(q.nm)_None arcsinh(q.A)_None
  qx_nm^-1 qy_nm^-1{more}
of samples in grazing incidence and of fibres (with --incident-angle, also in A^-1 or in rad):
  qip_nm^-1 qoop_nm^-1 qxgi_nm^-1 qygi_nm^-1 qzgi_nm^-1 qtot_nm^-1
  exit_angle_vert_deg exit_angle_horz_deg scattering_angle_vert_deg scattering_angle_horz_deg{polar}
  d is huge near the beam: give --radial-range with it"""


def add_options(parser: argparse.ArgumentParser, *, output: str, cakes: bool) -> argparse._ArgumentGroup:
    """Add all options of integration, and return the group about running.

    Parameters
    ----------
    parser : ArgumentParser
    output : str
        What can be written.
    cakes : bool
        Whether rows may be cakes, or patterns against azimuth.
    """
    files = parser.add_argument_group("files")
    inputs.add_frames(files)
    inputs.add_geometry(files, required=True)
    inputs.add_output(files, output)
    parser.set_defaults(npt_azim=None, range_unit=None, unit_azim=None)
    _add_axes(parser.add_argument_group("axes"), cakes=cakes)
    _add_pixels(parser.add_argument_group("pixels that do not count"))
    _add_corrections(parser.add_argument_group("corrections and errors"))
    running = parser.add_argument_group("running")
    inputs.add_running(running)
    inputs.add_run(running)
    add_cluster(running)
    running.add_argument(
        "--backend",
        default="auto",
        metavar="NAME",
        help="auto, cpu, or reference (slow NumPy sums over the same table, to compare)",
    )
    inputs.add_site(parser.add_argument_group("for the record"))
    return running


def _add_axes(group: argparse._ArgumentGroup, *, cakes: bool) -> None:
    group.add_argument("--npt", type=int, default=1000, metavar="N", help="number of bins (default: 1000)")
    if cakes:
        group.add_argument(
            "--npt-azim", type=int, metavar="N", help="number of azimuthal bins: makes cakes (2D)"
        )
        group.add_argument(
            "--unit-azim",
            metavar="UNIT",
            help="of the azimuthal bins and of --azimuth-range, such as qoop_nm^-1 (default: chi_deg)",
        )
    group.add_argument("--unit", default="q_nm^-1", metavar="UNIT", help="of the bins, listed below")
    group.add_argument(
        "--radial-range",
        type=float,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="in UNIT (default: from the first to the last valid pixel)",
    )
    if cakes:
        group.add_argument(
            "--range-unit",
            metavar="UNIT",
            help="of --radial-range where --unit is an azimuth (default: q_nm^-1)",
        )
    group.add_argument(
        "--azimuth-range",
        type=float,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="in degrees, or in UNIT of --unit-azim (default: from the first to the last valid pixel)"
        if cakes
        else "in degrees (default: from the first to the last valid pixel)",
    )
    group.add_argument(
        "--incident-angle",
        type=float,
        metavar="DEG",
        help="between beam and surface of the sample, in degrees, for coordinates of the sample",
    )
    group.add_argument(
        "--tilt-angle",
        type=float,
        metavar="DEG",
        help="of the sample about the beam, in degrees (default: 0)",
    )
    group.add_argument(
        "--sample-orientation",
        type=int,
        choices=range(1, 9),
        metavar="N",
        help="from 1 to 8, as in EXIF: how the image is turned for the sample to lie level (default: 1)",
    )
    group.add_argument(
        "--chi-discontinuity",
        choices=("pi", "zero"),
        default="pi",
        help="azimuths from -180 to 180 degrees (pi, the default) or from 0 to 360 (zero)",
    )
    group.add_argument(
        "--split",
        choices=("no", "bbox", "pseudo", "full"),
        default="bbox",
        help="how a pixel is shared among bins (default: bbox); 'no' keeps errors of bins independent",
    )


def _add_pixels(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--mask", metavar="FILE", help="image that is not zero where pixels are invalid")
    group.add_argument("--no-detector-mask", action="store_true", help="use the pixels in gaps as well")
    group.add_argument("--dummy", type=float, metavar="VALUE", help="raw value of invalid pixels")
    group.add_argument(
        "--delta-dummy", type=float, metavar="DELTA", help="pixels within VALUE +- DELTA are invalid"
    )
    group.add_argument("--saturation", type=float, metavar="VALUE", help="pixels above VALUE are invalid")
    robust = group.add_mutually_exclusive_group()
    robust.add_argument(
        "--trim",
        nargs="?",
        const="10,90",
        metavar="LOW,HIGH",
        help="for spotty rings: of each bin, average the pixels between two percentiles of their intensities "
        "(10,90 where none are given)",
    )
    robust.add_argument(
        "--sigma-clip",
        nargs="?",
        const="3,5",
        metavar="SIGMA[,ITER]",
        help="for spotty rings: of each bin, take out pixels farther from its mean than SIGMA standard "
        "deviations of a pixel, which the error model gives, up to ITER times (3,5 where none are given)",
    )


def _add_corrections(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--dark",
        metavar="FRAMES",
        action="append",
        help="image to subtract from each frame; several, named like frames or by repeating the option, are "
        "averaged, and the variance of their mean adds to the errors",
    )
    group.add_argument(
        "--flat",
        metavar="FRAMES",
        action="append",
        help="image of the pixels' sensitivity, to divide by; several are averaged",
    )
    group.add_argument("--absorption", metavar="FILE", help="image of the transmission, to divide by")
    group.add_argument(
        "--polarization-factor",
        type=float,
        metavar="F",
        help="from -1 (vertical) to 1 (horizontal); 0 is unpolarised (default: no correction)",
    )
    group.add_argument("--no-solid-angle", action="store_true", help="do not divide by the solid angle")
    group.add_argument(
        "--monitor",
        metavar="SOURCE",
        help="a number for each frame to divide by: table.csv:COLUMN, file.h5::/path, or a key of the "
        "frames' headers; where it is missing or not above zero the frame is bad",
    )
    group.add_argument(
        "--error-model",
        choices=("none", "variance", "poisson", "poisson_floor", "azimuthal"),
        help="where errors come from: --variance (variance), counts (poisson), at least one count a pixel "
        "(poisson_floor), scatter around the ring (azimuthal); default: variance with --variance, otherwise "
        "poisson for integer frames of a photon counter (Pilatus, Eiger, Lambda), otherwise none",
    )
    group.add_argument(
        "--variance",
        metavar="FRAMES",
        action="append",
        help="images of the pixels' variances, as many as frames and in their order",
    )


@dataclass(frozen=True)
class Reduction:
    """What the options mean, once the frames are open.

    Attributes
    ----------
    frames : Frames
    spec : IntegrationSpec
    """

    frames: Frames
    spec: IntegrationSpec
    _args: argparse.Namespace
    _variance: Frames | None
    _monitor: Any
    _why: str | None
    _workers: Executor | None

    def plan(self) -> Plan:
        """Make the table."""
        return self.spec.plan(self._args.backend, threads=self._args.threads)

    def options(self, progress: Progress | None) -> RunOptions:
        """Return how the run is carried out."""
        from aureole.io.nexus import Site
        from aureole.runs.report import RunOptions

        args = self._args
        return RunOptions(
            threads=args.threads,
            overwrite=args.overwrite,
            strict=args.strict,
            monitor=self._monitor,
            variance=self._variance,
            site=Site(
                instrument=args.instrument, source=args.source, wavelength=self.spec.geometry.wavelength
            ),
            parameters=_parameters(args),
            progress=progress,
            part_frames=args.part_frames,
            virtual=args.virtual,
            executor=self._workers,
            command=inputs.command(args),
        )

    def tell_notes(self, prog: str) -> None:
        """Tell what the user should know of the frames; not before the run has ended well."""
        marked = self._args.mask or self._args.dummy is not None
        gaps = None if marked else inputs.unmarked_gaps(self.spec.geometry, self.frames)
        for line in filter(None, [*self.frames.notes, self._why, gaps]):
            note(prog, line)


@contextmanager
def reduction(
    args: argparse.Namespace, *, others: list[str] | None = None, expected: int | None = None
) -> Iterator[Reduction]:
    """Open the frames and prepare their integration, as the options of `add_options` say.

    Parameters
    ----------
    args : Namespace
    others : list of str, optional
        More files that the output must not replace.
    expected : int, optional
        How many frames a scan will have that is under way.

    Raises
    ------
    InputError, OutputError
    """
    from aureole.runs.report import check_output

    workers = executor(args)
    if workers is not None and getattr(args, "wait", None) is not None:
        raise SpecError("--wait is for threads: workers do not wait for frames")
    names = inputs.frame_names(args)
    # what exists may be an earlier run's: whether it may be replaced is seen when that is known
    check_output(args.output, [*inputs.named_files(args), *(others or ())], overwrite=True)
    images = [name for given in (args.dark, args.flat, args.variance) for name in given or ()]
    inputs.refuse_output_among_frames(args.output, [*names, *images])
    _check_variance(args)
    for given in (
        args.mask and [args.mask],
        args.absorption and [args.absorption],
        args.dark,
        args.flat,
        args.variance,
    ):
        if given:
            check_output(args.output, inputs.linked_files(given), overwrite=True)
    geometry = inputs.read_geometry(args)
    axes = _axes(args)
    inputs.check_wavelength(geometry, axes, args.poni)
    with inputs.open_run(args, names, expected) as frames, ExitStack() as opened:
        geometry = inputs.fit_to_frames(geometry, frames, args.poni)
        model, why = _error_model(args, geometry, frames)
        spec = _corrected(args, _spec(args, geometry, axes, model))
        variance = opened.enter_context(inputs.open_series(args.variance)) if args.variance else None
        yield Reduction(frames, spec, args, variance, _monitor(args.monitor, frames), why, workers)


def _axes(args: argparse.Namespace) -> tuple[Axis | None, Axis | None]:
    """Return the radial and the azimuthal axis that the options mean."""
    from aureole.axis import Axis
    from aureole.units import unit

    chosen = unit(args.unit)
    around_unit = unit(args.unit_azim or "chi_deg", "azimuthal").name
    degrees = None if args.azimuth_range is None else (args.azimuth_range[0], args.azimuth_range[1])
    limits = None if args.radial_range is None else (args.radial_range[0], args.radial_range[1])
    if args.range_unit is not None and (chosen.kind != "azimuthal" or limits is None):
        raise SpecError(
            "--range-unit is that of --radial-range where --unit is an azimuth (chi_deg, chi_rad)"
        )
    if chosen.kind != "azimuthal":
        radial = Axis(chosen.name, args.npt, limits)
        if args.npt_azim is not None or degrees is not None:
            return radial, Axis(around_unit, args.npt_azim, degrees)
        if args.unit_azim is not None:
            raise SpecError("--unit-azim is that of --npt-azim or of --azimuth-range: give one of them")
        return radial, None
    if args.unit_azim is not None:
        raise SpecError(f"--unit-azim goes with a --unit that is no azimuth, and {chosen.name} is one")
    if args.npt_azim is not None:
        raise SpecError(f"--npt-azim makes cakes, with a radial --unit; {chosen.name} is an azimuth")
    scale = chosen.factor / unit("chi_deg").factor
    around = None if degrees is None else (degrees[0] * scale, degrees[1] * scale)
    radial_limits = None if limits is None else Axis(args.range_unit or "q_nm^-1", None, limits)
    return radial_limits, Axis(chosen.name, args.npt, around)


def _spec(
    args: argparse.Namespace,
    geometry: Geometry,
    axes: tuple[Axis | None, Axis | None],
    error_model: ErrorModel | None,
) -> IntegrationSpec:
    from aureole.azimuthal import IntegrationSpec

    return IntegrationSpec(
        geometry,
        radial=axes[0],
        azimuthal=axes[1],
        split=args.split,
        error_model=error_model,
        mask=_image(args.mask),
        detector_mask=not args.no_detector_mask,
        dummy=args.dummy,
        delta_dummy=args.delta_dummy,
        saturation=args.saturation,
        absorption=_image(args.absorption),
        solid_angle=not args.no_solid_angle,
        polarization_factor=args.polarization_factor,
        chi_discontinuity=args.chi_discontinuity,
        robust=_robust(args),
        sample=_sample(args),
    )


def _sample(args: argparse.Namespace) -> Sample | None:
    """Return how the sample stands, if any option says it."""
    from aureole.geometry import Sample

    given = args.incident_angle, args.tilt_angle, args.sample_orientation
    if all(value is None for value in given):
        return None
    incident, tilt = (radians(value or 0.0) for value in given[:2])
    return Sample(incident, tilt, args.sample_orientation or 1)


def _robust(args: argparse.Namespace) -> Trim | Clip | None:
    """Return which pixels of a bin do not count."""
    from aureole.azimuthal import Clip, Trim

    option, text = ("--sigma-clip", args.sigma_clip) if args.trim is None else ("--trim", args.trim)
    if text is None:
        return None
    first, comma, second = text.partition(",")
    try:
        if option == "--trim":
            return Trim(float(first), float(second))
        return Clip(float(first), int(second) if comma else 5)
    except ValueError:
        form = "LOW,HIGH" if option == "--trim" else "SIGMA[,ITER]"
        raise SpecError(f"{option} takes {form}, not {text!r} (FRAMES go before it)") from None


def _corrected(args: argparse.Namespace, spec: IntegrationSpec) -> IntegrationSpec:
    """Put dark and flat into the spec, which says what values of theirs are invalid."""
    from aureole.runs.average import average

    if args.flat:
        spec = replace(spec, flat=average(args.flat, spec).image)
    if args.dark:
        dark, variance = average(args.dark, spec)
        in_use = spec.error_model not in (None, "azimuthal")
        spec = replace(spec, dark=dark, dark_variance=variance if in_use else None)
    return spec


def _check_variance(args: argparse.Namespace) -> None:
    if args.error_model == "variance" and not args.variance:
        raise SpecError("--error-model variance needs --variance, an image for each frame")
    if args.variance and args.error_model not in (None, "variance"):
        raise SpecError(f"--variance has no use with --error-model {args.error_model}")


def _image(path: str | None) -> NamedArray | None:
    from aureole.azimuthal import NamedArray
    from aureole.io import read_image

    return None if path is None else NamedArray(path, read_image(path))


def _error_model(
    args: argparse.Namespace, geometry: Geometry, frames: Frames
) -> tuple[ErrorModel | None, str | None]:
    """Return the error model, and why there is none where nobody has said so.

    Without a choice, counts have errors where they are sure to be photons.
    """
    if args.variance:
        return "variance", None
    if args.error_model is not None:
        return (None if args.error_model == "none" else args.error_model), None
    counter = geometry.detector.name.casefold().startswith(_COUNTERS)
    try:
        integer = frames.dtype.kind in "iu"
    except InputError:
        # Not one frame can be read; the run will say why of each.
        integer = True
    if counter and integer:
        return "poisson", None
    why = (
        "the pixels are no integers" if counter else f"{geometry.detector.name} is not known to count photons"
    )
    return None, f"no errors, since {why}; choose with --error-model"


def _monitor(source: str | None, frames: Frames) -> Any:
    from aureole.io import read_scalars

    return None if source is None else read_scalars(source, frames)


def _parameters(args: argparse.Namespace) -> dict[str, str]:
    """Return what is worth finding in the output beside the spec."""
    known = {"poni": str(Path(args.poni).resolve())}
    for name in ("mask", "dark", "flat", "absorption", "monitor", "variance", "trim", "sigma_clip"):
        given = getattr(args, name)
        if given is not None:
            known[name] = given if isinstance(given, str) else ", ".join(given)
    return known
