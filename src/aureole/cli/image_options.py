"""What the verbs share that make images of frames, or keep pixels of them: their options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.reduction import bins_of, image_of
from aureole.cli.reduction_options import add_invalid, add_npt
from aureole.errors import SpecError

if TYPE_CHECKING:
    from aureole.axis import Axis
    from aureole.azimuthal import IntegrationSpec
    from aureole.geometry import Geometry
    from aureole.io import Frames, Provenance
    from aureole.runs import RunOptions
    from aureole.runs.report import Progress


_BINS_AT_WILL = 1 << 20
"""So many bins can be asked for of any detector, however small."""


def add_files(parser: argparse.ArgumentParser, output: str) -> argparse._ArgumentGroup:
    """Add frames, geometry and output, and return their group."""
    files = parser.add_argument_group("files")
    inputs.add_frames(files)
    inputs.add_geometry(files, required=True)
    inputs.add_output(files, output)
    return files


def add_radius(group: argparse._ArgumentGroup) -> None:
    """Add the number of radial bins, and the unit of the radius."""
    add_npt(group)
    group.add_argument(
        "--unit", default="2th_deg", metavar="UNIT", help="of the radius, as for 'aureole integrate'"
    )


def add_pixels(parser: argparse.ArgumentParser) -> None:
    """Add which pixels do not count, and corrections; and the options about running."""
    group = parser.add_argument_group("pixels")
    add_invalid(group)
    group.add_argument("--flat", metavar="FILE", help="image of the pixels' sensitivity")
    group.add_argument(
        "--polarization-factor", type=float, metavar="F", help="from -1 to 1 (default: no correction)"
    )
    group.add_argument("--no-solid-angle", action="store_true", help="do not count with the solid angle")
    group.add_argument(
        "--no-efficiency", action="store_true", help="do not count with the efficiency of the sensor"
    )
    inputs.add_running(parser.add_argument_group("running"))
    inputs.add_site(parser.add_argument_group("for the record"))


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[tuple[Frames, Geometry]]:
    """Open the frames, and yield them with the geometry of their shape.

    Raises
    ------
    InputError, OutputError
    """
    from aureole.axis import Axis
    from aureole.io.sniff import NEXUS_ENDINGS, real_path
    from aureole.runs.report import check_output

    names = inputs.frame_names(args)
    given = [args.poni, *(name for name in (args.mask, args.flat) if name), *args.list]
    amorphous = getattr(args, "amorphous", None)
    if amorphous is not None and real_path(amorphous) == real_path(args.output):
        raise SpecError(f"{amorphous}: is the name of both outputs; choose another for --amorphous")
    for output in filter(None, (args.output, amorphous)):
        if output.suffix.lower() not in NEXUS_ENDINGS:
            raise SpecError(f"{output}: it is an HDF5 file; let its name end in .h5 or .nxs")
        check_output(output, given, overwrite=args.overwrite)
        inputs.refuse_output_among_frames(output, names)
    geometry = inputs.read_geometry(args)
    inputs.check_wavelength(geometry, [Axis(args.unit, 1)], args.poni)
    with inputs.open_series(names, check_md5=args.check_md5) as frames:
        yield frames, inputs.fit_to_frames(geometry, frames, args.poni)


def radial_axis(args: argparse.Namespace, geometry: Geometry) -> Axis:
    """Return the axis of ``--npt``, ``--unit`` and, where there is one, ``--radial-range``.

    Raises
    ------
    SpecError
        So many bins that memory would be used up for bins without a pixel.
    """
    from aureole.axis import Axis

    limits = getattr(args, "radial_range", None)
    bins, pixels = bins_of(args.npt, geometry), prod(geometry.detector.known_shape)
    asked, most = bins * (getattr(args, "npt_azim", None) or 1), max(pixels, _BINS_AT_WILL)
    if asked > most:
        raise SpecError(f"{asked} bins for {pixels} pixels: ask for {most} at most (--npt, --npt-azim)")
    return Axis(args.unit, bins, None if limits is None else tuple(limits))


def check_seed(seed: int) -> None:
    """Raise `SpecError` for a seed that cannot be written down."""
    if not 0 <= seed < 1 << 63:
        raise SpecError(f"--seed {seed}: it cannot be negative, or 2^63 and more")


def spec_fields(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a spec that the options of `add_pixels` mean."""
    return {
        "mask": image_of(args.mask),
        "detector_mask": not args.no_detector_mask,
        "dummy": args.dummy,
        "delta_dummy": args.delta_dummy,
        "saturation": args.saturation,
        "flat": image_of(args.flat),
        "solid_angle": not args.no_solid_angle,
        "efficiency": not args.no_efficiency,
        "polarization_factor": args.polarization_factor,
    }


def provenance(
    args: argparse.Namespace, spec: IntegrationSpec, frames: Frames, note: str, **parameters: Any
) -> Provenance:
    """Return how images of frames came about."""
    from aureole.io import Provenance, Source

    return Provenance(
        spec=spec.to_json(),
        sources=[Source.of(path) for path in frames.sources],
        parameters={"poni": str(args.poni), **parameters},
        arrays={name: named.array for name, named in spec.embedded.items()},
        note=note,
    )


def run_options(
    args: argparse.Namespace, geometry: Geometry | None, progress: Progress | None, **parameters: Any
) -> RunOptions:
    """Return how the run is carried out."""
    from aureole.io.nexus import Site
    from aureole.runs.report import RunOptions

    if geometry is not None:
        parameters["poni"] = str(args.poni.resolve())
    return RunOptions(
        threads=args.threads,
        overwrite=args.overwrite,
        strict=args.strict,
        site=Site(
            instrument=args.instrument,
            source=args.source,
            wavelength=None if geometry is None else geometry.wavelength,
        ),
        parameters=parameters,
        progress=progress,
    )
