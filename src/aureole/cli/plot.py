"""``aureole plot``: pictures of results and of frames."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from math import degrees
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.terminal import note
from aureole.errors import FormatError, FrameError, InputError, SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.geometry import Geometry
    from aureole.io import Frames

_PROG = "aureole plot"
_OF_FRAMES = ("frame", "poni", "energy", "wavelength", "calibrant", "mask")
"""Options that mean nothing for results."""

_DESCRIPTION = """\
Draw a picture (PNG, PDF or SVG).

Of a result of 'aureole integrate': the mean pattern with its errors and all frames
as a waterfall or heat map, or the cake. Of a map or a tomogram: sinogram, slice, the
pattern of a voxel with its errors, and the images; what has no value is grey. Of pair
distribution functions: G(r) where there is most of the sample, and how much there is. Of a
frame: the image as it is stored with masked pixels in grey; with --poni also the beam
centre and the rings of a calibrant, and a word if the image fits better after a flip."""

_EPILOG = """\
examples:
  aureole plot patterns.h5
  aureole plot tomogram.h5 --q 30.4,31.4 --voxel 12,15
  aureole plot tomogram.h5 --what slice --layer 3 -o slice.png
  aureole plot CeO2.cbf --poni detector.poni --calibrant CeO2 -o CeO2.png"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "plot",
        usage="aureole plot FILE [options]",
        help="pictures of results and of frames",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "file", metavar="FILE", help="a result, or frames (a file, pattern or file.h5::/path)"
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", type=Path, help="picture to write (default: FILE with .png, here)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    parser.add_argument(
        "--scale",
        choices=("auto", "linear", "log"),
        default="auto",
        help="of intensities (default: auto, by how far they reach)",
    )
    scan = parser.add_argument_group("for a map or a tomogram")
    scan.add_argument(
        "--what",
        choices=("overview", "sinogram", "slice", "voxel", "maps"),
        default="overview",
        help="all in one picture, or one of them large (default: overview)",
    )
    scan.add_argument(
        "--layer", type=int, metavar="Z", help="of a tomogram, from 0 (default: the middle one)"
    )
    scan.add_argument(
        "--voxel",
        metavar="[Z,]Y,X",
        help="place of the pattern, from 0 (default: the brightest of the slice)",
    )
    scan.add_argument(
        "--q",
        metavar="LOW,HIGH",
        help="radial range, in the unit of the file, that sinogram and slice show (default: all)",
    )
    frame = parser.add_argument_group("for a frame")
    frame.add_argument("--frame", type=int, metavar="N", help="which of a series, from 0 (default: 0)")
    inputs.add_geometry(frame, required=False)
    frame.add_argument("--calibrant", metavar="NAME", help="whose rings to draw, such as CeO2, or a .D file")
    frame.add_argument("--mask", metavar="FILE", help="image that is not zero where pixels are invalid")


def run(args: argparse.Namespace) -> int:
    """Draw."""
    from aureole.cli.figures import check_picture
    from aureole.io.pdf_results import is_pdf_result
    from aureole.io.results import is_result
    from aureole.io.scan_results import is_scan_result
    from aureole.runs.report import check_output

    output = args.output or _picture_of(args.file)
    check_picture(output)
    given = [str(name).partition("::")[0] for name in (args.file, args.poni, args.mask) if name is not None]
    check_output(output, given, overwrite=args.overwrite)
    if is_scan_result(args.file):
        _refuse(args, _OF_FRAMES, "is for frames, and this is a result")
        _run_scan(args, output)
        print(output)
        return 0
    _refuse(args, ("layer", "voxel", "q"), "is for maps and tomograms")
    if args.what != "overview":
        raise SpecError(f"{args.file}: --what is for maps and tomograms")
    if is_pdf_result(args.file):
        from aureole.cli.draw_pdf import draw_volume

        _refuse(args, _OF_FRAMES, "is for frames, and this is a result")
        draw_volume(Path(args.file), output, overwrite=args.overwrite)
    elif is_result(args.file):
        _refuse(args, _OF_FRAMES, "is for frames, and this is a result")
        plot_result(args.file, output, scale=args.scale, overwrite=args.overwrite)
    else:
        _run_frame(args, output)
    print(output)
    return 0


def _picture_of(file: str) -> Path:
    """Return a name for the picture of a file or folder, to be written here."""
    # An absolute path has a name where "." and ".." have none; that of the root is empty.
    name = Path(os.path.abspath(file.partition("::")[0])).name  # noqa: PTH100  (links keep their names)
    return Path(name or "root").with_suffix(".png")


def _refuse(args: argparse.Namespace, names: Sequence[str], reason: str) -> None:
    for name in names:
        if getattr(args, name) is not None:
            raise SpecError(f"{args.file}: --{name} {reason}")


def _run_scan(args: argparse.Namespace, output: Path) -> None:
    from aureole.cli.draw_scan import View, draw_scan, figure_size, read_content
    from aureole.cli.figures import new_figure, save
    from aureole.cli.places import read_place, read_window
    from aureole.io.scan_results import read_scan_result

    with read_scan_result(args.file) as scan:
        if scan.sinogram is None and (args.layer is not None or args.what == "sinogram"):
            asked = "--layer" if args.layer is not None else "sinogram"
            raise SpecError(f"{args.file}: a map has no {asked.removeprefix('--')}")
        layer = None if scan.sinogram is None else scan.patterns.shape[0] // 2
        if args.layer is not None:
            layer = args.layer
            if not 0 <= layer < scan.patterns.shape[0]:
                raise SpecError(
                    f"{args.file}: has {scan.patterns.shape[0]} layers, from 0; there is no --layer {layer}"
                )
        place = None
        if args.voxel is not None:
            place = read_place(args.voxel, scan.patterns, layer)
            if layer is not None:
                if args.layer is not None and place[0] != layer:
                    raise SpecError(f"--voxel {args.voxel} is not in --layer {layer}")
                layer, place = place[0], place[1:]
        window = None if args.q is None else read_window(args.q, scan.patterns.radial)
        view = View(args.what, layer, place, window, args.scale)
        content = read_content(scan, view)
        with new_figure(*figure_size(view, content)) as figure:
            draw_scan(figure, scan, view, content)
            save(figure, output, overwrite=args.overwrite)


def _run_frame(args: argparse.Namespace, output: Path) -> None:
    from aureole.io import open_frames, read_image
    from aureole.runs.report import check_output

    if args.poni is None:
        for name in ("calibrant", "energy", "wavelength"):
            if getattr(args, name) is not None:
                raise SpecError(f"--{name} has a meaning with --poni only")
    geometry = None if args.poni is None else inputs.read_geometry(args)
    mask = None if args.mask is None else read_image(args.mask)
    with open_frames(args.file) as frames:
        check_output(output, frames.sources, overwrite=args.overwrite)
        number = args.frame or 0
        if not 0 <= number < len(frames):
            raise InputError(f"{args.file}: has {len(frames)} frames, from 0; there is no --frame {number}")
        plot_frame(
            frames,
            number,
            output,
            geometry=geometry,
            calibrant_name=args.calibrant,
            mask=mask,
            scale=args.scale,
            overwrite=args.overwrite,
        )


def plot_result(path: str | Path, output: Path, *, scale: str = "auto", overwrite: bool = False) -> None:
    """Draw a result of 'aureole integrate' into a picture."""
    from aureole.cli.draw_result import draw_result, figure_size
    from aureole.cli.figures import new_figure, save
    from aureole.io.results import read_result

    with read_result(path) as result, new_figure(*figure_size(result)) as figure:
        draw_result(figure, result, scale=scale)
        save(figure, output, overwrite=overwrite)


def plot_frame(
    frames: Frames,
    index: int,
    output: Path,
    *,
    geometry: Geometry | None = None,
    calibrant_name: str | None = None,
    mask: NDArray[Any] | None = None,
    scale: str = "auto",
    overwrite: bool = False,
) -> None:
    """Draw one frame of a series into a picture, with rings if there is a geometry."""
    from aureole.calibration import calibrant
    from aureole.cli import draw_frame as draw
    from aureole.cli.figures import new_figure, plain, save
    from aureole.io.images import to_array

    try:
        frame = frames[index]
        image = to_array(frame)
    except FrameError as error:
        raise FormatError(str(error)) from None
    path, mark, rest = frame.name.partition("::")
    geometry = None if geometry is None else geometry.with_shape(image.shape)
    valid = _valid(image, geometry, mask)
    with new_figure(*draw.figure_size(frame.shape)) as figure:
        axes = draw.draw_frame(figure, image, valid, scale=scale)
        subtitle, warning = f"{image.shape[0]} x {image.shape[1]} pixels of {image.dtype}", ""
        if geometry is not None:
            largest = float(geometry.center_array("2th_rad").max())
            known = None if calibrant_name is None else calibrant(calibrant_name)
            if known:
                rings, reach = draw.rings_of(known, geometry, largest)
                if reach < largest:
                    note(
                        _PROG, f"rings of {known.name} above 2θ = {degrees(reach):.3g}° are too many to draw"
                    )
            else:
                rings = draw.round_rings(largest)
            drawn = draw.draw_rings(axes, geometry, rings)
            kind = f"{drawn} rings of {known.name}" if known else "rings of equal 2θ"
            subtitle = f"{draw.mark_beam_centre(axes, geometry)}  ·  {kind}"
            warning = _other_orientation(image, valid, geometry)
        draw.write_title(axes, plain(Path(path).name + mark + rest), subtitle, warning)
        save(figure, output, overwrite=overwrite)


def _valid(image: NDArray[Any], geometry: Geometry | None, mask: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Return which pixels have a value: not masked, not one that means "no value"."""
    import numpy as np

    valid = np.ones(image.shape, bool)
    if mask is not None:
        if mask.shape != image.shape:
            raise SpecError(f"the mask has shape {mask.shape}, the image has {image.shape}")
        valid &= mask == 0
    # Counts below zero, or all bits set, mark dead pixels and gaps of whatever detector.
    if image.dtype.kind == "f":
        valid &= np.isfinite(image)
    elif image.dtype.kind == "i":
        valid &= image >= 0
    elif image.dtype.kind == "u" and image.dtype.itemsize > 1:
        valid &= image != np.iinfo(image.dtype).max
    if geometry is None:
        return valid
    valid &= ~geometry.detector.mask
    for low, high in geometry.detector.invalid_values(image.dtype):
        valid &= ~((image >= low) & (image <= high))
    return valid


def _other_orientation(image: NDArray[np.generic], valid: NDArray[np.bool_], geometry: Geometry) -> str:
    """Return, and note on stderr, which other orientation of the detector fits the rings better."""
    from aureole.calibration.orientation import better_orientation, orientation_fits

    fits = orientation_fits(image, valid, geometry)
    current = geometry.detector.orientation
    better = better_orientation(fits, current)
    if better is None:
        return ""
    pair = {better, current}
    turned = (
        "up-down" if pair in ({1, 4}, {2, 3}) else "left-right" if pair in ({1, 2}, {3, 4}) else "both ways"
    )
    line = f"orientation {better} fits better than {current}: the image is flipped {turned}"
    shares = f"rings explain {100 * fits[better]:.0f} % of the contrast, now {100 * fits[current]:.0f} %"
    note(_PROG, f"{line} ({shares}); set it in the PONI's Detector_config")
    return line
