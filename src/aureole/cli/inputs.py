"""Options that several verbs share: frames, geometry, where the output goes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from aureole.errors import FrameError, GeometryError, InputError, OutputError

if TYPE_CHECKING:
    from aureole.axis import Axis
    from aureole.geometry import Detector, Geometry
    from aureole.io import Frames

FRAMES_HELP = (
    "files (CBF, Eiger or NeXus masters, TIFF, EDF, ...), file.h5::/path for an HDF5 data set, folders, "
    "quoted patterns 'scan_*.cbf' or templates 'scan_%%05d.cbf'; read in numeric order"
)
_LOWEST_KEV, _HIGHEST_KEV = 0.0124, 10_000.0


def add_frames(group: argparse._ActionsContainer) -> None:
    """Add FRAMES, ``--list`` and ``--check-md5``."""
    group.add_argument("frames", nargs="*", metavar="FRAMES", help=FRAMES_HELP)
    group.add_argument(
        "--list",
        metavar="FILE",
        action="append",
        default=[],
        help="text file that names frames, one a line (for more than a command line can hold)",
    )
    group.add_argument(
        "--check-md5", action="store_true", help="compare each CBF frame with the MD5 in its header"
    )


def frame_names(args: argparse.Namespace) -> list[str]:
    """Return what the user gave as frames; raises `InputError` if that is nothing.

    A run that is resumed knows its frames: then it is nothing.
    """
    from aureole.io import read_list

    if args.resumed is not None:
        return []

    names = [*args.frames, *(name for path in args.list for name in read_list(path))]
    if not names:
        raise InputError("no frames: name files, a folder, a quoted pattern, or give --list")
    return names


def open_run(args: argparse.Namespace, names: Sequence[str], expected: int | None) -> Frames:
    """Open the frames of a run: what `frame_names` returned, or those that it was begun with.

    Parameters
    ----------
    args : Namespace
    names : sequence of str
    expected : int, optional
        How many frames a scan will have that is under way (``--wait``).
    """
    from aureole.io.series import await_frames

    wait = getattr(args, "wait", None)
    if wait is not None and not 0 < wait < 1e7:
        raise InputError(f"--wait {wait:g}: wanted are seconds, above 0 and below 1e7")
    if args.resumed is not None:
        frames: Frames = args.resumed.frames()
        return frames if wait is None else frames.patient(wait)
    if wait is not None:
        if expected is None or len(names) != 1 or args.check_md5:
            raise InputError("--wait wants one template (scan_%05d.cbf) and --shape, and no --check-md5")
        return await_frames(names[0], expected, wait)
    return open_series(names, check_md5=args.check_md5)


def open_series(names: Sequence[str], *, check_md5: bool = False) -> Frames:
    """Open what `frame_names` returned, or an option named."""
    from aureole.io import open_frames

    return open_frames(names[0] if len(names) == 1 else names, check_md5=check_md5)


def named_files(args: argparse.Namespace) -> list[str]:
    """Return the files that single options name, which the output must not replace."""
    from aureole.io.names import split_dataset
    from aureole.io.scalars import file_of

    monitor = None if args.monitor is None else file_of(args.monitor)
    several = (args.dark, args.flat, args.variance, args.list)
    names = [
        args.poni,
        getattr(args, "pyfai_config", None),
        args.mask,
        args.absorption,
        *(name for given in several for name in given or ()),
    ]
    files = [split_dataset(str(name)).path for name in names if name is not None]
    return [*files, monitor] if monitor else files


def linked_files(names: Sequence[str]) -> list[str]:
    """Return the files in which images lie, which for HDF5 may be others than those that are named."""
    if all(Path(name).suffix.lower() == ".npy" for name in names):
        return []
    with open_series(names) as frames:
        return list(frames.sources)


def add_output(group: argparse._ActionsContainer, help_text: str) -> None:
    """Add ``-o`` and ``--overwrite``."""
    group.add_argument("-o", "--output", metavar="OUT", required=True, type=Path, help=help_text)
    group.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


def add_running(group: argparse._ActionsContainer) -> None:
    """Add ``--threads`` and ``--strict``."""
    group.add_argument("--threads", type=int, metavar="N", help="number of threads (default: all cores)")
    group.add_argument(
        "--strict",
        action="store_true",
        help="stop at the first frame that is missing or bad, with exit code 2, and make no output",
    )


def add_run(group: argparse._ActionsContainer) -> None:
    """Add ``--part-frames`` and ``--virtual``."""
    group.add_argument(
        "--part-frames",
        type=int,
        metavar="N",
        help="frames in a part of OUT.run, from which the same command goes on if it is stopped (default: "
        "some seconds of work)",
    )
    group.add_argument(
        "--virtual", action="store_true", help="let OUT point at the parts in OUT.run, which then stay"
    )


def add_wait(group: argparse._ActionsContainer) -> None:
    """Add ``--wait``."""
    group.add_argument(
        "--wait",
        type=float,
        metavar="SECONDS",
        help="the scan is under way: take each frame of the template FRAMES ('scan_%%05d.cbf') as it comes, "
        "and call it missing SECONDS after the last that came",
    )


def add_backend(group: argparse._ActionsContainer, *, default: str | None) -> None:
    """Add ``--backend`` and ``--device``."""
    group.add_argument(
        "--backend",
        default=default,
        metavar="NAME",
        help="auto, cpu, opencl (graphics cards), or reference (slow NumPy sums over the same table, to "
        f"compare); {'auto takes' if default else 'default: as the run was begun; auto takes'} a graphics "
        "card where there is one, but the processor for robust averages",
    )
    group.add_argument(
        "--device",
        metavar="WHICH",
        help="OpenCL device: its number or a part of its name ('aureole info --devices' lists them), several "
        "with commas, or gpu for all graphics cards (default: the first)",
    )


def command(args: argparse.Namespace) -> dict[str, object]:
    """Return how to begin the same run again, for `aureole resume`."""
    return {"argv": args.argv, "cwd": os.getcwd()}  # noqa: PTH109


def add_site(group: argparse._ActionsContainer) -> None:
    """Add ``--instrument`` and ``--source``."""
    group.add_argument("--instrument", metavar="NAME", default="unknown", help="beamline, for the record")
    group.add_argument("--source", metavar="NAME", default="unknown", help="X-ray source, for the record")


def add_geometry(group: argparse._ActionsContainer, *, required: bool) -> None:
    """Add ``--poni``, ``--energy`` and ``--wavelength``."""
    group.add_argument(
        "--poni", metavar="FILE", required=required, type=Path, help="geometry: a PONI file of version 1 to 3"
    )
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--energy", type=float, metavar="KEV", help="photon energy in keV, in the place of the PONI's"
    )
    either.add_argument(
        "--wavelength", type=float, metavar="M", help="wavelength in metres, in the place of the PONI's"
    )


def read_geometry(args: argparse.Namespace) -> Geometry:
    """Read the PONI file, or take what another file said, and apply ``--energy`` or ``--wavelength``."""
    from aureole.io import load

    if args.poni is not None:
        return with_wavelength(load(args.poni), args)
    if getattr(args, "geometry", None) is not None:
        return with_wavelength(args.geometry, args)
    raise InputError("no geometry: give --poni FILE, or --pyfai-config FILE")


def with_wavelength(geometry: Geometry, args: argparse.Namespace) -> Geometry:
    """Return a geometry with the wavelength of ``--energy`` or ``--wavelength``, if either is given."""
    if args.energy is not None:
        if not isfinite(args.energy):
            raise GeometryError(f"--energy {args.energy:g}: wanted is a number of keV")
        if args.energy > _HIGHEST_KEV:
            raise GeometryError(f"--energy {args.energy:g}: is in keV; did you mean {args.energy / 1e3:g}?")
        if args.energy < _LOWEST_KEV:
            raise GeometryError(f"--energy {args.energy:g}: keV of X-rays are above {_LOWEST_KEV:g}")
        return geometry.with_energy(args.energy)
    if args.wavelength is not None:
        try:
            return replace(geometry, wavelength=args.wavelength)
        except GeometryError as error:
            raise GeometryError(str(error).replace("geometry: ", "--")) from None
    return geometry


def check_wavelength(geometry: Geometry, axes: Sequence[Axis | None], poni: Path) -> None:
    """Raise `GeometryError` where an axis needs a wavelength and there is none."""
    from aureole.units import unit

    for axis in axes:
        if axis is not None and unit(axis.unit).needs_wavelength and geometry.wavelength is None:
            raise GeometryError(
                f"{axis.unit} needs a wavelength and {poni} has none: give --energy or --wavelength"
            )


def fit_to_frames(geometry: Geometry, frames: Frames, poni: Path) -> Geometry:
    """Give the detector the shape of the frames, or make sure that it has it.

    A frame of another shape is that frame's fault while others fit; if the first, the middle and the last do
    not, the geometry is of another detector.
    """
    if geometry.detector.shape is None:
        return geometry.with_shape(frames.shape)
    wrong = None
    for index in sorted({0, len(frames) // 2, len(frames) - 1}):
        try:
            shape = frames[index].shape
        except FrameError:
            continue
        if shape == geometry.detector.shape:
            return geometry
        wrong = wrong or (index, shape)
    if wrong is not None:
        try:
            geometry.with_shape(wrong[1])
        except GeometryError as error:
            raise GeometryError(f"{frames.name(wrong[0])} does not go with {poni}: {error}") from None
    return geometry


def unmarked_gaps(geometry: Geometry, frames: Frames) -> str | None:
    """Return what to say where values that mark gaps would be integrated, and how to tell what they are."""
    found = unmarked_values(geometry.detector, frames)
    return found and f"{found}; name it in the PONI, or give --mask or --dummy"


def unmarked_values(detector: Detector | None, frames: Frames) -> str | None:
    """Return what to say where values that mark gaps and dead pixels would count as intensities.

    That happens when nothing, or the PONI, calls a Pilatus or an Eiger more than "Detector".
    """
    import numpy as np

    from aureole.geometry.catalogue import GENERIC
    from aureole.io.images import to_array

    if detector is not None and (detector.invalid or (detector.name != GENERIC and detector.is_named())):
        return None
    try:
        frame = frames[0]
        if frame.dtype.kind not in "iu" or frame.dtype == np.uint8:
            return None
        image = to_array(frame)
    except FrameError:
        return None
    if image.dtype.kind == "i":
        number, what = int(np.count_nonzero(np.less(image, 0))), "are negative"
    else:
        number, what = int(np.count_nonzero(np.invert(image) == 0)), "have all bits set"
    if not number:
        return None
    return (
        f"{number} pixels of the first frame {what} and count as intensities, as no detector is known that "
        "marks gaps so"
    )


def refuse_output_among_frames(output: Path, names: Sequence[str]) -> None:
    """Refuse an output that the same command would take for frames the next time."""
    from aureole.io.names import split_dataset
    from aureole.io.sniff import is_frame_file, real_path, what_is

    if not is_frame_file(output.name):
        return
    target = Path(real_path(output))
    for name in names:
        source = Path(split_dataset(name).path)
        resolved = Path(real_path(source))
        if resolved == target:
            raise OutputError(f"{output}: is one of the inputs; choose another name for the output")
        folder = what_is(source) == "folder" and resolved == target.parent
        if folder or fnmatch(str(target), str(source.absolute())):
            where = f"the folder {name}" if folder else f"'{name}'"
            raise OutputError(
                f"{output}: would be taken for frames by {where}; write it elsewhere, or name the frames by "
                "a narrower pattern such as 'folder/*.cbf'"
            )
