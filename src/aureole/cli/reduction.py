"""How the options of the verbs that integrate become a plan."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.cluster import executor
from aureole.cli.terminal import note
from aureole.errors import GeometryError, InputError, SpecError

if TYPE_CHECKING:
    from aureole.axis import Axis
    from aureole.azimuthal import Clip, IntegrationSpec, NamedArray, Plan, Trim
    from aureole.azimuthal.spec import ErrorModel
    from aureole.geometry import Geometry, Sensor
    from aureole.io import Frames
    from aureole.runs import RunOptions
    from aureole.runs.executors import Executor
    from aureole.runs.report import Progress

_COUNTERS = ("pilatus", "eiger", "lambda")
"""Beginnings of the names of detectors whose pixels hold numbers of photons."""


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
    args: argparse.Namespace,
    *,
    others: list[str] | None = None,
    expected: int | None = None,
    geometry: Geometry | None = None,
) -> Iterator[Reduction]:
    """Open the frames and prepare their integration, as the options of `reduction_options.add_options` say.

    Parameters
    ----------
    args : Namespace
    others : list of str, optional
        More files that the output must not replace.
    expected : int, optional
        How many frames a scan will have that is under way.
    geometry : Geometry, optional
        In the place of what `args.poni` holds, which messages name.

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
    geometry = inputs.read_geometry(args) if geometry is None else geometry
    if args.sensor is not None:
        geometry = replace(geometry, detector=replace(geometry.detector, sensor=_sensor(args.sensor)))
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
    degrees = None if args.azimuth_range is None else (args.azimuth_range[0], args.azimuth_range[1])
    limits = None if args.radial_range is None else (args.radial_range[0], args.radial_range[1])
    if args.range_unit is not None and (chosen.kind == "radial" or limits is None):
        raise SpecError(
            "--range-unit is that of --radial-range where --unit is an azimuth (chi_deg, chi_rad)"
        )
    if chosen.kind == "radial":
        radial = Axis(chosen.name, args.npt, limits)
        if args.npt_azim is None and degrees is None:
            return radial, None
        return radial, Axis("chi_deg", args.npt_azim, degrees)
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
        efficiency=not args.no_efficiency,
    )


def _sensor(text: str) -> Sensor:
    from aureole.geometry import Sensor, sensor_materials

    try:
        sensor = Sensor.parse(text)
    except GeometryError as error:
        raise GeometryError(f"--{error}") from None
    if not sensor.is_known():
        raise GeometryError(f"--sensor: {sensor.material!r} is not one of {', '.join(sensor_materials())}")
    return sensor


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
