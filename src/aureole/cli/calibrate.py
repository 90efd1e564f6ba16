"""``aureole calibrate``: where a detector stands, from the rings of a calibrant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.terminal import note
from aureole.errors import FormatError, FrameError, GeometryError, InputError, SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.calibration import Calibration, Start
    from aureole.geometry import Detector, Geometry

_PROG = "aureole calibrate"

_DESCRIPTION = """\
Find where the detector stands from the rings of a calibrant, without a click: beam
centre, distance and tilt, with their errors, as a PONI file (version 2.1).

Several images of one geometry are averaged. A calibration that does not fit is refused:
the command then says what it found, and writes nothing."""

_EPILOG = """\
examples:
  aureole calibrate CeO2.cbf --calibrant CeO2 --detector Pilatus2MCdTe --energy 71 -o out.poni
  aureole calibrate CeO2.cbf --calibrant CeO2 --poni old.poni -o new.poni --plot new.png
  aureole calibrate AgBh.tif --calibrant AgBh --detector Pilatus1M --wavelength 1e-10 \\
      --fix rot1,rot2 -o saxs.poni"""

_LARGEST_PIXEL = 5e-3
"""In metres: above it the number is in other units, and a distance would come out as wrong as the pixel."""
_NAMES = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength")


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "calibrate",
        usage="aureole calibrate IMAGE... --calibrant NAME -o OUT [options]",
        help="where the detector stands, from the rings of a calibrant",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    files = parser.add_argument_group("files")
    files.add_argument("frames", nargs="+", metavar="IMAGE", help=inputs.FRAMES_HELP)
    inputs.add_output(files, "PONI file to write")
    add_extras(files)
    what = parser.add_argument_group("what is known")
    what.add_argument("--calibrant", metavar="NAME", required=True, help="such as CeO2, LaB6 or AgBh")
    what.add_argument("--detector", metavar="NAME", help="such as Pilatus2MCdTe (default: the one of --poni)")
    what.add_argument(
        "--pixel", type=float, metavar="M", help="size of the pixels in metres, of a detector without a name"
    )
    what.add_argument(
        "--orientation",
        type=int,
        choices=(1, 2, 3, 4),
        help="where the first pixel stands, as in EXIF (default: 3, or the one of --poni)",
    )
    inputs.add_geometry(what, required=False)
    start = parser.add_argument_group("where to begin, and what to refine")
    start.add_argument("--dist", type=float, metavar="M", help="distance in metres, about")
    start.add_argument(
        "--center", metavar="ROW,COLUMN", help="where the beam meets the detector, about (pixels)"
    )
    start.add_argument(
        "--fix", metavar="LIST", default="", help=f"what to leave as it is, of {', '.join(_NAMES[:5])}"
    )
    start.add_argument("--free", metavar="LIST", default="", help="what else to refine: wavelength")
    pixels = parser.add_argument_group("pixels that do not count")
    pixels.add_argument("--mask", metavar="FILE", help="image that is not zero where pixels are invalid")
    pixels.add_argument("--saturation", type=float, metavar="N", help="values above this one are invalid")


def add_extras(files: Any) -> None:
    """Add the options for what a calibration writes beside its result."""
    files.add_argument("--plot", metavar="FILE", type=Path, help="picture of the rings and of the residuals")
    files.add_argument("--points", metavar="FILE", type=Path, help="points on rings, as .json or .csv")


def check_outputs(args: argparse.Namespace, given: Sequence[str]) -> None:
    """Check that all that is to be written can be, before there is something to write.

    Raises
    ------
    SpecError
        Two outputs are one file, or one has the wrong ending.
    OutputError
        An output exists, is one of the files given, or cannot be written.
    """
    from aureole.cli.figures import check_picture
    from aureole.runs.report import check_output

    outputs = [path for path in (args.output, args.plot, args.points) if path is not None]
    for output in outputs:
        check_output(output, [name.partition("::")[0] for name in given], overwrite=args.overwrite)
    if len(set(outputs)) < len(outputs):
        raise SpecError("-o, --plot and --points want a file each")
    if args.plot is not None:
        check_picture(args.plot)
    if args.points is not None and args.points.suffix.lower() not in (".json", ".csv"):
        raise SpecError(f"--points {args.points}: points are written as .json or .csv")


def run(args: argparse.Namespace) -> int:
    """Calibrate."""
    from aureole.calibration import calibrant, calibrate

    given = [name for name in (*args.frames, args.poni, args.mask) if name is not None]
    check_outputs(args, [str(name) for name in given])
    if args.saturation is not None and not isfinite(args.saturation):
        raise SpecError(f"--saturation {args.saturation:g}: wanted is a number of counts")
    known = calibrant(args.calibrant)
    begin = perf_counter()
    image, mask = _image(args)
    detector, wavelength, start = _known(args)
    result = calibrate(
        image,
        detector,
        known,
        wavelength,
        mask=mask,
        start=start,
        free=_free(args, start),
    )
    seconds = perf_counter() - begin
    _write(args, result, image, mask)
    from aureole.cli.tell_calibration import calibration_lines

    for line in result.notes:
        note(_PROG, line)
    print("\n".join(calibration_lines(result)))
    print(f"{args.output} written after {seconds:.1f} s")
    return 0


def _write(
    args: argparse.Namespace, result: Calibration, image: NDArray[np.generic], mask: NDArray[np.bool_]
) -> None:
    """Write the picture and the points first: where there is a PONI file, all is there."""
    if args.plot is not None:
        from aureole.calibration import usable_pixels
        from aureole.cli.draw_calibration import draw_calibration, figure_size
        from aureole.cli.figures import new_figure, save

        usable = usable_pixels(image, result.geometry.detector, mask)
        with new_figure(*figure_size((image.shape[0], image.shape[1]))) as figure:
            draw_calibration(figure, result, image, usable, name=Path(args.frames[0]).name)
            save(figure, args.plot, overwrite=args.overwrite)
    if args.points is not None:
        result.save_points(args.points, overwrite=args.overwrite)
    result.save(args.output, overwrite=args.overwrite)


def _image(args: argparse.Namespace) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Return the image, or the mean of several, and which of its pixels are masked."""
    import numpy as np

    from aureole.calibration import usable_pixels
    from aureole.io import read_image
    from aureole.io.images import to_array

    with inputs.open_series(args.frames) as frames:
        total, bad = None, np.zeros(frames.shape, bool)
        try:
            for frame in frames:
                image = to_array(frame)
                if image.shape != bad.shape:
                    raise InputError(
                        f"{frame.name}: has shape {image.shape}, the first image has {bad.shape}"
                    )
                bad |= ~usable_pixels(image, None)
                if args.saturation is not None:
                    bad |= np.greater(image, args.saturation)
                total = image if total is None else np.add(total, image, dtype=np.float64)
        except FrameError as error:
            raise FormatError(str(error)) from None
        if total is None:
            raise InputError(f"{args.frames[0]}: holds no image")
        mean = total if len(frames) == 1 else np.divide(total, len(frames), dtype=np.float64)
    if args.mask is not None:
        mask = read_image(args.mask)
        if mask.shape != bad.shape:
            raise SpecError(f"{args.mask}: has shape {mask.shape}, the image has {bad.shape}")
        bad |= np.not_equal(mask, 0)
    return mean, bad


def _known(args: argparse.Namespace) -> tuple[Detector, float, Start | None]:
    """Return detector, wavelength (m) and where to begin."""
    from aureole.calibration import Start
    from aureole.geometry import Geometry
    from aureole.geometry import detector as named

    if args.pixel is not None and args.pixel > _LARGEST_PIXEL:
        raise SpecError(
            f"--pixel {args.pixel:g}: is in metres; did you mean {args.pixel * 1e-3:g} (mm) or "
            f"{args.pixel * 1e-6:g} (µm)?"
        )
    old: Geometry | None = None
    if args.poni is not None:
        old = inputs.read_geometry(args)
    if args.detector is not None:
        pixels = named(args.detector, pixel1=args.pixel, pixel2=args.pixel, orientation=args.orientation or 3)
    elif args.pixel is not None:
        pixels = named(pixel1=args.pixel, pixel2=args.pixel, orientation=args.orientation or 3)
    elif old is not None:
        pixels = (
            old.detector if args.orientation is None else replace(old.detector, orientation=args.orientation)
        )
    else:
        raise InputError("which detector? give --detector, or --pixel, or a --poni to begin with")
    if old is None:
        old = inputs.with_wavelength(Geometry(pixels, 1.0), args)
        if old.wavelength is None:
            raise GeometryError("rings need the photon energy: give --energy (keV) or --wavelength (m)")
        start = Start(dist=args.dist, center=_center(args.center))
        return pixels, old.wavelength, None if start == Start() else start
    if old.wavelength is None:
        raise GeometryError(f"{args.poni} has no wavelength: give --energy (keV) or --wavelength (m)")
    if args.dist is not None or args.center is not None:
        raise SpecError("--poni says where to begin already: give --dist and --center without it")
    return pixels, old.wavelength, Start.at(replace(old, detector=pixels))


def _center(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        row, column = (float(number) for number in text.split(","))
    except ValueError:
        raise SpecError(f"--center is ROW,COLUMN such as 840.5,741, not {text!r}") from None
    return row, column


def _free(args: argparse.Namespace, start: Start | None) -> tuple[str, ...]:
    """Return which parameters are refined."""
    fixed, more = (
        {name.strip() for name in given.split(",") if name.strip()} for given in (args.fix, args.free)
    )
    if not {*_NAMES[:5]} - fixed | more:
        raise SpecError("--fix names all there is to refine: leave one out of it")
    for option, names in (("fix", fixed), ("free", more)):
        if unknown := sorted(names - set(_NAMES)):
            raise SpecError(f"--{option}: {unknown[0]!r} is none of {', '.join(_NAMES)}")
    if "rot3" in more:
        raise SpecError("--free rot3: rings look the same however they are turned about the beam")
    if both := sorted(fixed & more):
        raise SpecError(f"{both[0]} cannot be both in --fix and in --free")
    wanted = ({*_NAMES[:5]} | more) - fixed
    return tuple(name for name in _NAMES if name in wanted)
