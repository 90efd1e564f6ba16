"""``aureole goniometer``: a detector that moves, calibrated and integrated."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.calibrate import add_extras, check_outputs
from aureole.cli.goniometer_positions import POSITIONS_HELP, motor_names, position_files, read_positions
from aureole.cli.reduction_options import UNITS_EPILOG, add_request
from aureole.cli.terminal import note, progress_bar, tell
from aureole.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.calibration.goniometer import Goniometer
    from aureole.calibration.goniometer_calibration import GoniometerCalibration
    from aureole.cli.goniometer_positions import Images
    from aureole.geometry import Geometry

_PROG = "aureole goniometer"

_DESCRIPTION = """\
A detector that moves, on a goniometer arm or a translation stage: calibrate it on images
of a calibrant at several positions, then integrate images of many positions into one
pattern. Files are those of pyFAI's goniometer."""

_CALIBRATE = """\
Find how the detector moves from the rings of a calibrant on images at several positions.

The model says how the geometry follows from motors and parameters: formulas such as
'rot2=-pi/180*(pos+offset)', or a goniometer file to begin with. dist, poni1, poni2 and
rot1 to rot3 without a formula are constants: parameters of their own name, but for rot3,
which is zero. A calibration that does not fit is refused, and nothing is written."""

_CALIBRATE_EPILOG = """\
examples:
  aureole goniometer calibrate 'LaB6_*.cbf' --positions table.csv:tth --calibrant LaB6 \\
      --poni at_zero.poni --model 'rot2=scale*pos+offset' \\
      --start scale=-0.01745 offset=0 --fix poni1 -o gonio.json
  aureole goniometer calibrate LaB6.h5 --positions LaB6.h5::/entry/tth --calibrant LaB6 \\
      --model gonio.json -o better.json --plot better.png"""

_INTEGRATE = """\
Integrate frames at many positions of the detector into one pattern or cake, with errors.

A frame that is missing or corrupt is reported and left out; the others go on."""

_INTEGRATE_EPILOG = f"""\
{UNITS_EPILOG.format(more=", and chi_deg or chi_rad for intensity against azimuth", polar=" chigi_deg")}

example:
  aureole goniometer integrate 'scan_*.cbf' --goniometer gonio.json \\
      --positions table.csv:tth --unit 2th_deg --npt 5000 -o pattern.xye"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "goniometer",
        usage="aureole goniometer {calibrate,integrate} ...",
        help="calibrate a detector that moves, and integrate its positions into one pattern",
        description=_DESCRIPTION,
    )
    steps = parser.add_subparsers(dest="step", metavar="STEP", title="steps", required=True)
    _add_calibrate(steps)
    _add_integrate(steps)


def _add_calibrate(steps: argparse._SubParsersAction[Any]) -> None:
    parser = steps.add_parser(
        "calibrate",
        usage="aureole goniometer calibrate IMAGES --positions SOURCE --calibrant NAME --model ... -o OUT",
        help="how the detector moves, from the rings of a calibrant",
        description=_CALIBRATE,
        epilog=_CALIBRATE_EPILOG,
    )
    parser.set_defaults(run=calibrate)
    files = parser.add_argument_group("files")
    files.add_argument("frames", nargs="+", metavar="IMAGES", help=inputs.FRAMES_HELP)
    files.add_argument("--positions", metavar="SOURCE", action="append", required=True, help=POSITIONS_HELP)
    inputs.add_output(files, "goniometer file to write (.json)")
    add_extras(files)
    what = parser.add_argument_group("what is known")
    what.add_argument("--calibrant", metavar="NAME", required=True, help="such as CeO2, LaB6 or AgBh")
    what.add_argument(
        "--detector", metavar="NAME", help="such as Pilatus100k (default: of the PONI or model)"
    )
    what.add_argument(
        "--pixel", type=float, metavar="M", help="size of the pixels of a nameless one, in metres"
    )
    what.add_argument("--orientation", type=int, choices=(1, 2, 3, 4), help="as in EXIF (default: 3)")
    inputs.add_geometry(what, required=False)
    fit = parser.add_argument_group("what moves, where to begin, and what to refine")
    fit.add_argument(
        "--model",
        nargs="+",
        required=True,
        metavar="NAME=FORMULA",
        help="formulas for dist, poni1, poni2 (m), rot1, rot2, rot3 (rad) or wavelength (m) of parameters, "
        "motors and pi, hc (keV Å), q; or a goniometer file",
    )
    fit.add_argument(
        "--start",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="values of parameters to begin with, in the place of those of --poni or of the model",
    )
    fit.add_argument("--fix", metavar="LIST", default="", help="parameters to leave as they are")
    fit.add_argument(
        "--bounds", nargs="+", default=[], metavar="NAME=LOW:HIGH", help="where parameters may not go beyond"
    )
    pixels = parser.add_argument_group("pixels that do not count")
    pixels.add_argument("--mask", metavar="FILE", help="image that is not zero where pixels are invalid")
    pixels.add_argument("--saturation", type=float, metavar="N", help="values above this one are invalid")


def _add_integrate(steps: argparse._SubParsersAction[Any]) -> None:
    parser = steps.add_parser(
        "integrate",
        usage="aureole goniometer integrate FRAMES --goniometer FILE --positions SOURCE -o OUT [options]",
        help="frames at many positions to one pattern or cake",
        description=_INTEGRATE,
        epilog=_INTEGRATE_EPILOG,
    )
    parser.set_defaults(run=integrate, workers=None, scheduler=None, part_frames=None, virtual=False)
    parser.set_defaults(pyfai_config=None, geometry=None, fields={}, config_notes=())
    files = parser.add_argument_group("files")
    inputs.add_frames(files)
    files.add_argument(
        "--goniometer", metavar="FILE", required=True, type=Path, help="goniometer file, of pyFAI too"
    )
    files.add_argument("--positions", metavar="SOURCE", action="append", required=True, help=POSITIONS_HELP)
    either = files.add_mutually_exclusive_group()
    either.add_argument(
        "--energy", type=float, metavar="KEV", help="photon energy, in the place of the file's"
    )
    either.add_argument("--wavelength", type=float, metavar="M", help="in the place of the file's")
    inputs.add_output(files, "NeXus HDF5 (.h5, .nxs), or a pattern as .xy, .xye, .dat, .chi")
    add_request(parser, cakes=True, robust=False)
    inputs.add_running(parser.add_argument_group("running"))
    inputs.add_site(parser.add_argument_group("for the record"))


def calibrate(args: argparse.Namespace) -> int:
    """Calibrate."""
    from aureole.calibration import calibrant
    from aureole.calibration.goniometer_calibrate import calibrate_goniometer
    from aureole.cli.goniometer_model import bounds_of, first_model, free_of
    from aureole.cli.goniometer_positions import Images
    from aureole.cli.tell_goniometer import goniometer_lines
    from aureole.io import read_image

    given = [*args.frames, *position_files(args.positions)]
    given += [str(name) for name in (args.poni, args.mask) if name is not None]
    given += [name for name in args.model if "=" not in name]
    check_outputs(args, given)
    known = calibrant(args.calibrant)
    begin = perf_counter()
    start = first_model(args, motor_names(args.positions))
    mask = None if args.mask is None else read_image(args.mask)
    with inputs.open_series(args.frames) as frames:
        positions = read_positions(args.positions, start.motors, frames)
        images = Images(frames, args.saturation)
        result = calibrate_goniometer(
            images,
            positions,
            start,
            calibrant=known,
            mask=mask,
            free=free_of(args.fix, start),
            bounds=bounds_of(args.bounds),
        )
        if args.plot is not None:
            names = [frames.name(index) for index in range(len(frames))]
            _draw(args, result, (images, names), mask)
    if args.points is not None:
        result.save_points(args.points, overwrite=args.overwrite)
    result.goniometer.save(args.output, overwrite=args.overwrite)
    for line in result.notes:
        note(f"{_PROG} calibrate", line)
    print("\n".join(goniometer_lines(result)))
    print(f"{args.output} written after {perf_counter() - begin:.1f} s")
    return 0


def _draw(
    args: argparse.Namespace,
    result: GoniometerCalibration,
    named: tuple[Images, list[str]],
    mask: NDArray[np.generic] | None,
) -> None:
    """Write the picture of some images, with their names, and of the residuals of all."""
    from aureole.cli.draw_goniometer import chosen_images, draw_goniometer, figure_size
    from aureole.cli.figures import new_figure, save

    images, names = named
    shape = result.goniometer.detector.shape
    assert shape is not None
    with new_figure(*figure_size(shape, len(chosen_images(result)))) as figure:
        draw_goniometer(
            figure,
            result,
            images.__getitem__,
            [Path(name.partition("::")[0]).name for name in names],
            mask=mask,
        )
        save(figure, args.plot, overwrite=args.overwrite)


def integrate(args: argparse.Namespace) -> int:
    """Integrate."""
    from aureole.azimuthal import MultiSpec
    from aureole.calibration.goniometer import Goniometer
    from aureole.cli.reduction import reduction
    from aureole.runs.integrate import check_ending
    from aureole.runs.positions import integrate_positions
    from aureole.runs.report import check_output

    if args.npt is None:
        raise SpecError("--npt auto is for one position: give the number of bins of the whole pattern")
    check_ending(args.output, frames=1, cake=args.npt_azim is not None)
    check_output(args.output, position_files(args.positions), overwrite=args.overwrite)
    goniometer = Goniometer.load(args.goniometer)
    args.poni = args.goniometer  # what messages name
    with reduction(args, geometry=_anywhere(goniometer, args)) as job:
        positions = read_positions(args.positions, goniometer.motors, job.frames)
        moved = goniometer.with_detector(job.spec.geometry.detector)
        geometries = [inputs.with_wavelength(one, args) for one in moved.geometries(positions)]
        with progress_bar("", "integrating") as progress:
            options = job.options(progress)
            facts = {name: value for name, value in options.parameters.items() if name != "poni"} | {
                "goniometer": moved.to_json(),
                "goniometer_file": str(args.goniometer.resolve()),
                "motor_positions": json.dumps(dict(zip(moved.motors, positions.T.tolist(), strict=True))),
            }
            report = integrate_positions(
                MultiSpec.of(job.spec, geometries),
                job.frames,
                args.output,
                options=replace(options, parameters=facts),
            )
        job.tell_notes(f"{_PROG} integrate")
    return tell(f"{_PROG} integrate", report, where="all are in the output")


def _anywhere(goniometer: Goniometer, args: argparse.Namespace) -> Geometry:
    """Return a geometry with detector and wavelength, that stands for all positions until they are known."""
    from aureole.geometry import Geometry

    wavelength = goniometer.wavelength
    if wavelength is None and args.energy is None and args.wavelength is None:
        wavelength = goniometer.geometry([0.0] * len(goniometer.motors)).wavelength
    return inputs.with_wavelength(Geometry(goniometer.detector, 1.0, wavelength=wavelength), args)
