"""``aureole export``: single patterns of results as text."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aureole.errors import FormatError, InputError, OutputError, SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.io.scan_results import StoredPattern, StoredScan
    from aureole.io.stored import StoredAxis, StoredRun

_UNITS = ("2th_deg", "2th_rad", "q_nm^-1", "q_A^-1")
_ENDINGS = ("xy", "xye", "dat", "chi")

_DESCRIPTION = """\
Write patterns of a result as text, for Rietveld refinement: that of a voxel of a
tomogram, of a point of a map, of a frame, or the mean of a region.

Columns are position, intensity and, where it is known, sigma. Bins without a value are
left out."""

_EPILOG = """\
examples:
  aureole export tomogram.h5 --voxel 12,15 --unit 2th_deg -o voxel.xye
  aureole export tomogram.h5 --region 0:1,10:14,12:18 -o corner.xy
  aureole export tomogram.h5 --region-from 'Ni>20' -o nickel.xye
  aureole export map.h5 --region-from 'LaB6/area>100' --all -o voxels
  aureole export patterns.h5 --frame 12 -o frame.xy"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "export",
        usage="aureole export FILE -o OUT [--voxel PLACE | --region ... | --frame N | --all] [options]",
        help="patterns of voxels, regions or frames as text",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run)
    parser.add_argument("file", metavar="FILE", help="a tomogram, a map, or patterns")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        required=True,
        help=".xy, .xye, .dat or .chi; with --all a folder",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    parser.add_argument(
        "--unit", choices=_UNITS, help="of the positions; intensities stay (default: as in the file)"
    )
    which = parser.add_argument_group("which patterns")
    which.add_argument(
        "--voxel", metavar="[Z,]Y,X", help="one place, from 0 (Z only where there are several layers)"
    )
    which.add_argument("--frame", type=int, metavar="N", help="one frame, as measured, from 0")
    which.add_argument(
        "--region", metavar="[Z0:Z1,]Y0:Y1,X0:X1", help="mean of these places, from 0, ends excluded"
    )
    which.add_argument(
        "--region-from",
        metavar="IMAGE>VALUE",
        help="mean of the places where an image (NAME or NAME/QUANTITY) is above, or below (<), a value",
    )
    which.add_argument(
        "--all", action="store_true", help="each place, or each of the region, in a file of its own in OUT"
    )
    which.add_argument("--format", choices=_ENDINGS, help="of the files of --all (default: xy)")


class _Text(NamedTuple):
    """What every file of an export has: where from, axis, unit, and what is to be said of it."""

    result: StoredRun
    radial: StoredAxis
    unit: str | None

    def write(self, path: Path, rows: StoredPattern, about: Sequence[str], *, overwrite: bool) -> None:
        """Write a pattern without the bins that have no value.

        Raises
        ------
        FormatError
            There is no bin with a value.
        OutputError
            The file exists or cannot be written.
        """
        import numpy as np

        from aureole.cli.positions import converted
        from aureole.io.text import write_text

        wavelength = self.result.wavelength
        positions, unit = self.radial.centres, self.radial.unit
        header = list(about)
        if wavelength is not None:
            header.append(f"wavelength {wavelength * 1e10:.8g} angstrom")
        if self.unit is not None and self.unit != unit:
            positions = converted(positions, unit, self.unit, wavelength)
            header.append(f"positions converted from {unit} bin by bin, intensities as they were")
            unit = self.unit
        valid = np.isfinite(rows.intensity)
        if rows.sigma is not None:
            valid &= np.isfinite(rows.sigma)
        if not valid.any():
            raise FormatError(f"{self.result.path}: {about[0]} has no values")
        write_text(
            path,
            positions[valid],
            rows.intensity[valid],
            None if rows.sigma is None else rows.sigma[valid],
            unit=unit,
            header=header,
            overwrite=overwrite,
        )


def run(args: argparse.Namespace) -> int:
    """Export."""
    from aureole.io.results import is_result
    from aureole.io.scan_results import is_scan_result
    from aureole.runs.report import check_output

    _check_options(args)
    if not args.all:
        check_output(args.output, [args.file], overwrite=args.overwrite)
    if is_scan_result(args.file):
        told = _export_scan(args)
    elif is_result(args.file):
        told = _export_frame(args)
    else:
        raise InputError(f"{args.file}: holds no patterns of Aureole")
    print(told)
    return 0


def _check_options(args: argparse.Namespace) -> None:
    from aureole.io.text import TEXT_ENDINGS

    regions = [name for name in ("region", "region_from") if getattr(args, name) is not None]
    single = [name for name in ("voxel", "frame") if getattr(args, name) is not None]
    chosen = len(single) + bool(regions or args.all)
    if chosen != 1:
        raise SpecError("say which patterns: one of --voxel, --frame, --region, --region-from, or --all")
    if args.format is not None and not args.all:
        raise SpecError("--format is for --all; the ending of OUT says what is written")
    if not args.all and args.output.suffix.lower() not in TEXT_ENDINGS:
        raise SpecError(f"{args.output}: patterns are written with the endings {', '.join(TEXT_ENDINGS)}")


def _export_frame(args: argparse.Namespace) -> str:
    """Write one frame of a series."""
    from aureole.io.results import read_result
    from aureole.io.scan_results import StoredPattern

    if args.frame is None:
        raise SpecError(f"{args.file}: holds the patterns of a series; give --frame")
    with read_result(args.file) as result:
        axis = result.radial or result.azimuthal
        if result.is_cake or axis is None:
            raise SpecError(f"{args.file}: holds cakes, and text holds patterns only")
        _check_frame(result, args.frame)
        rows = StoredPattern(*result.read(args.frame))
        about = [
            f"frame {args.frame} of {result.path.name}",
            *_sigma_says(rows, "standard error of the mean"),
        ]
        _Text(result, axis, args.unit).write(args.output, rows, about, overwrite=args.overwrite)
    return str(args.output)


def _check_frame(result: StoredRun, number: int) -> None:
    from aureole.io.status import FrameStatus

    total = len(result.status)
    if not 0 <= number < total:
        raise SpecError(f"{result.path}: has {total} frames, from 0; there is no --frame {number}")
    status = FrameStatus(int(result.status[number]))
    if status is not FrameStatus.DONE:
        raise InputError(f"{result.path}: frame {number} is {status.name.lower()}, it has no pattern")


def _export_scan(args: argparse.Namespace) -> str:
    from aureole.cli.places import read_condition, read_place, read_region
    from aureole.io.scan_results import read_scan_result

    with read_scan_result(args.file) as scan:
        text = _Text(scan, scan.patterns.radial, args.unit)
        layer = 0 if len(scan.patterns.shape) == 3 and scan.patterns.shape[0] == 1 else None
        if args.voxel is not None:
            rows, about = _of_place(scan, read_place(args.voxel, scan.patterns, layer))
        elif args.frame is not None:
            _check_frame(scan, args.frame)
            measured = scan.read_frame(args.frame)
            if measured is None:
                raise InputError(f"{scan.path}: frame {args.frame} has no place in the scan")
            rows, about = measured, [f"frame {args.frame} of {scan.path.name}, as measured"]
            about += _sigma_says(rows, "standard error of the mean")
        else:
            inside = _everywhere(scan)
            if args.region is not None:
                inside &= read_region(args.region, scan.patterns, layer)
            if args.region_from is not None:
                inside &= read_condition(args.region_from, scan)
            if not inside.any():
                raise SpecError(f"no place is in --region {args.region} and --region-from {args.region_from}")
            if args.all:
                return _export_all(args, text, scan, inside)
            rows, about = _of_region(args, scan, inside)
        text.write(args.output, rows, about, overwrite=args.overwrite)
    return str(args.output)


def _everywhere(scan: StoredScan) -> NDArray[np.bool_]:
    import numpy as np

    return np.ones(scan.patterns.shape, bool)


def _of_place(scan: StoredScan, place: tuple[int, ...]) -> tuple[StoredPattern, list[str]]:
    from aureole.cli.places import place_text, position_text

    rows = scan.patterns.read(place)
    about = [f"{place_text(place)} of {scan.path.name}{position_text(scan, place)}"]
    through = ", carried through the reconstruction" if scan.kind == "tomogram" else ""
    return rows, about + _sigma_says(rows, f"standard error of the mean{through}")


def _of_region(
    args: argparse.Namespace, scan: StoredScan, inside: NDArray[np.bool_]
) -> tuple[StoredPattern, list[str]]:
    """Return the mean pattern of a region, and what its sigma means."""
    independent = scan.kind == "map"
    rows = scan.patterns.mean(inside, independent=independent)
    asked = [text for text in (args.region, args.region_from) if text is not None]
    kind = "points" if independent else "voxels"
    about = [f"mean of {rows.places} {kind} of {scan.path.name}: {', '.join(asked)}"]
    meaning = (
        "standard error of the mean of independent points, sqrt(sum of squares) / number"
        if independent
        else "mean of the sigmas of correlated voxels, an upper bound of the error of the mean"
    )
    return rows, about + _sigma_says(rows, meaning)


def _sigma_says(rows: StoredPattern, meaning: str) -> list[str]:
    return [] if rows.sigma is None else [f"sigma: {meaning}"]


def _export_all(args: argparse.Namespace, text: _Text, scan: StoredScan, inside: NDArray[np.bool_]) -> str:
    """Write the pattern of each place into a folder; those without values are left out."""
    import numpy as np

    ending = args.format or "xy"
    if ending == "xye" and not scan.patterns.has_errors:
        raise SpecError(f"{scan.path}: has no errors, which .xye holds; choose another --format")
    folder: Path = args.output
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; --all writes into a folder")
    if folder.is_dir() and any(folder.iterdir()) and not args.overwrite:
        raise OutputError(f"{folder}: holds files already; choose another folder, or --overwrite")
    name = _names(scan.patterns.shape)
    made = left = 0
    for index in np.argwhere(inside):
        place = tuple(int(each) for each in index)
        rows, about = _of_place(scan, place)
        if not np.isfinite(rows.intensity).any():
            left += 1
            continue
        folder.mkdir(exist_ok=True)
        text.write(folder / f"{name(place)}.{ending}", rows, about, overwrite=args.overwrite)
        made += 1
    if not made:
        raise FormatError(f"{scan.path}: not one of these places has values")
    without = f", {left} places have no values" if left else ""
    return f"{made} patterns{without} -> {folder}"


def _names(shape: tuple[int, ...]) -> Callable[[tuple[int, ...]], str]:
    """Return what makes the name of the file of a place: numbers of equal length, so that names sort."""
    widths = [len(str(size - 1)) for size in shape]

    def name(place: tuple[int, ...]) -> str:
        numbers = (f"{index:0{width}d}" for index, width in zip(place, widths, strict=True))
        return "_".join(["voxel", *numbers])

    return name
