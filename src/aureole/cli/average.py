"""``aureole average``: one image of many, such as a dark or a flat."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.cli import inputs
from aureole.cli.reduction import read_robust
from aureole.cli.reduction_options import add_invalid
from aureole.cli.terminal import note, progress_bar, tell
from aureole.errors import InputError, SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.azimuthal import Clip, Trim
    from aureole.geometry import Detector, Geometry
    from aureole.io import Frames
    from aureole.runs.average import Averaged, Method
    from aureole.runs.treatment import Treatment

_PROG = "aureole average"
_METHODS = ("mean", "median", "sum", "min", "max", "std", "variance")
_EXACT = 1 << 24
"""From here on float32 does not hold every whole number."""

_DESCRIPTION = """\
Make one image of many: mean, median, percentiles, sum, extremes or scatter of each pixel,
for darks, flats and pictures of a whole scan.

Values that mean nothing (the detector's own, NaN, saturated ones) do not count. A .h5 file
also holds how many frames each pixel had and the variance of the mean, which --dark of
'aureole integrate' then takes into the errors."""

_EPILOG = """\
examples:
  aureole average 'darks/*.cbf' --detector 'Pilatus 2M' --sigma-clip -o dark.h5
  aureole average 'flats/*.edf' --dark dark.h5 --method median -o flat.tif
  aureole average 'scan_*.cbf' --poni detector.poni --method max -o brightest.edf"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "average",
        usage="aureole average FRAMES... -o OUT [options]",
        help="one image of many: darks, flats, sums",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    files = parser.add_argument_group("files")
    inputs.add_frames(files)
    inputs.add_output(files, "HDF5 (.h5, .nxs), .tif, .edf or .npy; whole numbers also .cbf")
    add_method(parser.add_argument_group("which average (default: the mean)"))
    add_treatment(parser)
    running = parser.add_argument_group("running")
    inputs.add_running(running)
    running.add_argument(
        "--memory",
        type=float,
        metavar="GB",
        help="of frames held at once for median, --trim and --sigma-clip: what does not fit is done in "
        "several turns, each of which reads all frames (default: a quarter of the machine's)",
    )


def add_method(group: argparse._ActionsContainer) -> None:
    """Add what says which statistic of a pixel is wanted."""
    how = group.add_mutually_exclusive_group()
    how.add_argument(
        "--method",
        choices=_METHODS,
        default="mean",
        help="statistic of each pixel over the frames; std and variance are those of one frame (over n - 1)",
    )
    how.add_argument(
        "--trim",
        nargs="?",
        const="10,90",
        metavar="LOW,HIGH",
        help="mean between two percentiles (10,90 where none are given); 50,50 is the median",
    )
    how.add_argument(
        "--sigma-clip",
        nargs="?",
        const="3,5",
        metavar="SIGMA[,ITER]",
        help="mean without outliers, such as cosmic rays: values as improbable as SIGMA standard deviations, "
        "for that number of frames, are taken out up to ITER times (3,5 where none are given); with auto for "
        "SIGMA, those that Chauvenet's criterion finds too improbable",
    )


def add_treatment(parser: argparse.ArgumentParser) -> None:
    """Add what is done to frames before they are averaged."""
    pixels = parser.add_argument_group("pixels that do not count")
    pixels.add_argument(
        "--detector", metavar="NAME", help="whose gaps and invalid values do not count, such as 'Pilatus 2M'"
    )
    pixels.add_argument("--poni", metavar="FILE", type=Path, help="geometry that names the detector")
    add_invalid(pixels)
    corrections = parser.add_argument_group("corrections of each frame")
    corrections.add_argument(
        "--dark", metavar="FRAMES", action="append", help="image to subtract; several are averaged"
    )
    corrections.add_argument(
        "--flat", metavar="FRAMES", action="append", help="image to divide by; several are averaged"
    )
    corrections.add_argument(
        "--monitor",
        metavar="SOURCE",
        help="a number for each frame to divide by: table.csv:COLUMN, file.h5::/path, or a key of the "
        "frames' headers; where it is missing or not above zero the frame is bad",
    )


def run(args: argparse.Namespace) -> int:
    """Average."""
    from time import perf_counter

    from aureole.io.scalars import read_scalars
    from aureole.runs.average import average_frames
    from aureole.runs.report import RunOptions, RunReport, check_output

    _check_ending(args.output)
    names = inputs.frame_names(args)
    check_output(args.output, images_named(args), overwrite=args.overwrite)
    inputs.refuse_output_among_frames(args.output, names)
    method: Method | Trim | Clip = read_robust(args) or args.method
    memory = _bytes(args.memory)
    begin = perf_counter()
    frames = inputs.open_series(names, check_md5=args.check_md5)
    with frames, progress_bar("reading", "averaging") as progress:
        check_output(args.output, frames.sources, overwrite=args.overwrite)
        treatment = read_treatment(args)
        monitor = None if args.monitor is None else read_scalars(args.monitor, frames)
        options = RunOptions(threads=args.threads, strict=args.strict, monitor=monitor, progress=progress)
        found = average_frames(frames, method, treatment=treatment, options=options, memory=memory)
        _write(args, frames, found)
        notes = [*frames.notes, *told_of_marks(treatment, frames)]
    for line in [*notes, *_told_of_pixels(found)]:
        note(_PROG, line)
    report = RunReport(args.output, found.total, found.issues, perf_counter() - begin)
    nexus = _is_nexus(args.output)
    return tell(
        _PROG, report, where="all are in /entry/frame_message" if nexus else "a .h5 output lists them all"
    )


def _is_nexus(path: Path) -> bool:
    from aureole.io.sniff import NEXUS_ENDINGS

    return path.suffix.lower() in NEXUS_ENDINGS


def _check_ending(output: Path) -> None:
    from aureole.io.image_write import IMAGE_ENDINGS
    from aureole.io.sniff import NEXUS_ENDINGS

    known = (*NEXUS_ENDINGS, *IMAGE_ENDINGS)
    if output.suffix.lower() not in known:
        raise SpecError(f"{output}: the ending says what is written; known are {', '.join(known)}")


def _bytes(gigabytes: float | None) -> int | None:
    if gigabytes is None:
        return None
    if not 0.0 < gigabytes < 1e6:
        raise InputError(f"--memory {gigabytes:g}: wanted are gigabytes, above 0")
    return max(1, int(gigabytes * 1e9))


def images_named(args: argparse.Namespace) -> list[str]:
    """Return the files that single options name, which the output must not replace."""
    from aureole.io.names import split_dataset
    from aureole.io.scalars import file_of

    named = [args.poni, args.mask, *(args.dark or ()), *(args.flat or ()), *args.list]
    files = [split_dataset(str(name)).path for name in named if name is not None]
    monitor = None if args.monitor is None else file_of(args.monitor)
    return [*files, monitor] if monitor else files


def read_known(args: argparse.Namespace) -> tuple[Detector | None, Geometry | None]:
    """Return the detector that ``--detector`` or ``--poni`` names, and the geometry of the PONI.

    Raises
    ------
    SpecError
        Both are given.
    GeometryError, FormatError
        It is unknown, or the PONI cannot be read.
    """
    from aureole.geometry import detector
    from aureole.io import load

    if args.poni is not None and args.detector is not None:
        raise SpecError("--detector and --poni both name a detector: give one of them")
    if args.poni is not None:
        geometry = load(args.poni)
        return geometry.detector, geometry
    return None if args.detector is None else detector(args.detector), None


def read_treatment(args: argparse.Namespace) -> Treatment:
    """Return what is done to each frame, images read."""
    from dataclasses import replace

    from aureole.io import read_image
    from aureole.runs.darks import read_average
    from aureole.runs.treatment import Treatment

    if args.delta_dummy is not None and args.dummy is None:
        raise SpecError("--delta-dummy goes with --dummy, around which it reaches")
    treatment = Treatment(
        detector=read_known(args)[0],
        detector_mask=not args.no_detector_mask,
        dummy=args.dummy,
        delta_dummy=args.delta_dummy,
        saturation=args.saturation,
        mask=None if args.mask is None else read_image(args.mask),
    )
    marks = replace(treatment, detector_mask=False, mask=None, saturation=None)
    if args.dark:
        image, variance = read_average(args.dark, marks)
        spread = None if variance is None else variance.array
        treatment = replace(treatment, dark=image.array, dark_variance=spread)
    if args.flat:
        treatment = replace(treatment, flat=read_average(args.flat, marks).image.array)
    return treatment


def told_of_marks(treatment: Treatment, frames: Frames) -> list[str]:
    """Return what to say where values that mark gaps on common detectors count as intensities."""
    if treatment.mask is not None or treatment.dummy is not None:
        return []
    found = inputs.unmarked_values(treatment.detector, frames)
    return [f"{found}; name it with --detector or --poni"] if found else []


def _told_of_pixels(found: Averaged) -> list[str]:
    """Return how many pixels lack values."""
    import numpy as np

    used = found.total - len(found.issues)
    none, fewer = (int(np.count_nonzero(np.isnan(found.image))), int(np.count_nonzero(found.count < used)))
    lines = []
    if none:
        lines.append(f"{none} of {found.count.size} pixels have no value")
    if fewer > none:
        lines.append(f"{fewer - none} pixels are made of fewer than {used} values")
    return lines


def _write(args: argparse.Namespace, frames: Frames, found: Averaged) -> None:
    import numpy as np

    from aureole.io.image_write import write_image
    from aureole.io.nexus import Provenance, Source
    from aureole.io.nexus_image import AVERAGE, write_nexus_image

    image = _stored(found.image, whole=frames.dtype.kind in "iu")
    about = _parameters(args)
    if not _is_nexus(args.output):
        used = found.total - len(found.issues)
        header = {"aureole": "average", "frames": str(used), **about}
        write_image(args.output, image, header, overwrite=args.overwrite)
        return
    images: dict[str, NDArray[np.generic]] = {"data": image, "count": found.count}
    if found.variance is not None:
        images["variance"] = found.variance.astype(np.float32)
    status = {issue.index: (issue.status, f"{issue.name}: {issue.reason}") for issue in found.issues}
    sources = [Source.of(path) for path in frames.sources]
    provenance = Provenance(sources=sources, parameters=about, note="one image of many frames")
    write_nexus_image(
        args.output,
        AVERAGE,
        images,
        provenance=provenance,
        frames=found.total,
        unused=status,
        overwrite=args.overwrite,
    )


def _stored(image: NDArray[np.float64], *, whole: bool) -> NDArray[np.generic]:
    """Return an image as it is stored: float32, or float64 for large whole numbers, which it would round."""
    import numpy as np

    known = image[np.isfinite(image)]
    exact = whole and known.size and np.abs(known).max() > _EXACT and (known == np.rint(known)).all()
    return image if exact else image.astype(np.float32)


def _parameters(args: argparse.Namespace) -> dict[str, str]:
    """Return how the average was made, for the record."""
    known = {"method": args.method}
    for name in ("trim", "sigma_clip", "detector", "poni", "mask", "dummy", "delta_dummy", "saturation"):
        if getattr(args, name) is not None:
            known[name] = str(getattr(args, name))
    for name in ("dark", "flat"):
        if getattr(args, name):
            known[name] = ", ".join(getattr(args, name))
    if args.no_detector_mask:
        known["detector_mask"] = "no"
    if args.monitor is not None:
        known["monitor"] = args.monitor
    return known
