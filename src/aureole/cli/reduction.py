"""How the options of the verbs that integrate become a plan."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import radians
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
    from aureole.geometry import Detector, Geometry, Sample, Sensor
    from aureole.io import Frames
    from aureole.runs import RunOptions
    from aureole.runs.executors import Executor
    from aureole.runs.report import Progress

_COUNTERS = ("pilatus", "eiger", "lambda", "mythen", "maxipix", "pixirad", "imxpad", "xpad", "cirpad")
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
        args = self._args
        return self.spec.plan(args.backend, device=args.device, threads=args.threads)

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
        for line in filter(None, [*self._args.config_notes, *self.frames.notes, self._why, gaps]):
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
    from aureole.geometry.sensor import ENERGIES
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
    axes = _axes(args, args.npt or 1)
    where = args.poni or args.pyfai_config
    inputs.check_wavelength(geometry, axes, where)
    with inputs.open_run(args, names, expected) as frames, ExitStack() as opened:
        geometry = inputs.fit_to_frames(geometry, frames, where)
        axes = _axes(args, bins_of(args.npt, geometry))
        model, why = _error_model(args, geometry, frames)
        spec = _corrected(args, replace(_spec(args, geometry, axes, model), **args.fields))
        if args.sensor is not None and spec.efficiency and spec.efficiency_of is None:
            raise SpecError(
                "--sensor: its efficiency is not known without a photon energy from "
                f"{ENERGIES[0]:g} to {ENERGIES[1]:g} keV (--energy)"
            )
        variance = opened.enter_context(inputs.open_series(args.variance)) if args.variance else None
        yield Reduction(frames, spec, args, variance, _monitor(args.monitor, frames), why, workers)


def bins_of(npt: int | None, geometry: Geometry) -> int:
    """Return how many bins ``--npt`` means for the detector, whose shape is known."""
    from aureole.azimuthal import bins_along_radius

    return bins_along_radius(geometry) if npt is None else npt


def _axes(args: argparse.Namespace, npt: int) -> tuple[Axis | None, Axis | None]:
    """Return the radial and the azimuthal axis that the options mean, with so many bins."""
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
        radial = Axis(chosen.name, npt, limits)
        if args.npt_azim is not None or degrees is not None:
            return radial, Axis(around_unit, args.npt_azim, degrees)
        if args.unit_azim is not None:
            raise SpecError("--unit-azim is that of --npt-azim or of --azimuth-range: give one of them")
        return radial, None
    if args.unit_azim is not None:
        raise SpecError(f"--unit-azim goes with a --unit that is no azimuth, and {chosen.name} is one")
    if args.npt_azim is not None:
        raise SpecError(f"--npt-azim makes cakes, with a radial --unit; {chosen.name} is an azimuth")
    if args.npt is None:
        raise SpecError(f"--npt auto is for a radial --unit; {chosen.name} is an azimuth")
    scale = chosen.factor / unit("chi_deg").factor
    around = None if degrees is None else (degrees[0] * scale, degrees[1] * scale)
    radial_limits = None if limits is None else Axis(args.range_unit or "q_nm^-1", None, limits)
    return radial_limits, Axis(chosen.name, npt, around)


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
        mask=image_of(args.mask),
        detector_mask=not args.no_detector_mask,
        dummy=args.dummy,
        delta_dummy=args.delta_dummy,
        saturation=args.saturation,
        absorption=image_of(args.absorption),
        solid_angle=not args.no_solid_angle,
        polarization_factor=args.polarization_factor,
        chi_discontinuity=args.chi_discontinuity,
        robust=read_robust(args),
        efficiency=not args.no_efficiency,
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


def _sensor(text: str) -> Sensor:
    from aureole.geometry import Sensor, sensor_materials

    try:
        sensor = Sensor.parse(text)
    except GeometryError as error:
        raise GeometryError(f"--{error}") from None
    if not sensor.is_known():
        raise GeometryError(f"--sensor: {sensor.material!r} is not one of {', '.join(sensor_materials())}")
    return sensor


def read_robust(args: argparse.Namespace) -> Trim | Clip | None:
    """Return what ``--trim`` or ``--sigma-clip`` says of values that do not count."""
    from aureole.azimuthal import Trim

    if args.trim is None:
        return None if args.sigma_clip is None else clip_of(args.sigma_clip)
    first, _, second = args.trim.partition(",")
    try:
        return Trim(float(first), float(second))
    except ValueError:
        raise SpecError(f"--trim takes LOW,HIGH, not {args.trim!r} (FRAMES go before it)") from None


def clip_of(text: str) -> Clip:
    """Return what ``--sigma-clip`` means: SIGMA or auto, ITER, and scatter; only the first is needed."""
    from aureole.azimuthal import Clip

    first, *rest = text.split(",")
    by_scatter = len(rest) > 1 and rest[-1] == "scatter"
    iterations = rest[: len(rest) - by_scatter]
    try:
        if len(iterations) > 1:
            raise ValueError
        automatic = first == "auto"
        # one is below all that Chauvenet's criterion gives but for bins of a few pixels
        sigma = 1.0 if automatic else float(first)
        return Clip(sigma, int(iterations[0]) if iterations else 5, automatic, by_scatter)
    except ValueError:
        raise SpecError(
            f"--sigma-clip takes SIGMA[,ITER[,scatter]] with auto for SIGMA at will, not {text!r} (FRAMES go "
            "before it)"
        ) from None


def _corrected(args: argparse.Namespace, spec: IntegrationSpec) -> IntegrationSpec:
    """Put dark and flat into the spec, which says what values of theirs are invalid."""
    from aureole.runs.darks import average

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


def image_of(path: str | None) -> NamedArray | None:
    """Return the image of a file that an option named, where it did."""
    from aureole.azimuthal import NamedArray
    from aureole.io import read_image

    return None if path is None else NamedArray(path, read_image(path))


def counts_photons(detector: Detector) -> bool:
    """Return whether the pixels of a detector hold numbers of photons, as far as its name tells."""
    return detector.name.casefold().startswith(_COUNTERS)


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
    counter = counts_photons(geometry.detector)
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
    files = {"poni": args.poni, "pyfai_config": args.pyfai_config}
    known = {name: str(Path(path).resolve()) for name, path in files.items() if path is not None}
    for name in ("mask", "dark", "flat", "absorption", "monitor", "variance", "trim", "sigma_clip"):
        given = getattr(args, name)
        if given is not None:
            known[name] = given if isinstance(given, str) else ", ".join(given)
    return known
