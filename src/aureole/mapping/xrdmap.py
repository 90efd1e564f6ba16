"""Maps: patterns at the places of a scan, and images made of them."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path

from aureole.azimuthal import Plan
from aureole.io.grids import GridAxis, write_images
from aureole.io.series import Frames
from aureole.mapping.images import ImageRequest
from aureole.mapping.scan import Scan
from aureole.mapping.scan_file import ScanFile, check_ending, identity, radial_axis, stored_rows
from aureole.runs.report import RunOptions, RunReport, check_output
from aureole.runs.run import Run


def map_series(
    plan: Plan,
    frames: Frames,
    scan: Scan,
    output: str | Path,
    *,
    images: ImageRequest,
    options: RunOptions,
) -> RunReport:
    """Integrate the frames of a map into one file: patterns (y, x, q), and images of them.

    The run survives being killed as that of `integrate_series` does.

    Parameters
    ----------
    plan : Plan
        Of patterns.
    frames : Frames
    scan : Scan
        Where they were taken: on a grid, along a line, or at scattered points.
    output : path
        NeXus HDF5 by its ending.
    images : ImageRequest
    options : RunOptions

    Raises
    ------
    SpecError
        The plan, the scan or the images do not go with each other.
    OutputError
        As for `integrate_series`.
    """
    output = Path(output)
    check_ending(output)
    images.check(radial_axis(plan).values)
    check_output(output, frames.sources, overwrite=True)
    order = range(len(scan.axes) + 1)
    run = Run(
        plan,
        frames,
        output,
        options,
        product=identity(scan, images=images.describe()),
        stored=partial(stored_rows, output, "data", order),
    )
    return run.carry_out(partial(_write, plan, scan, run, images, options))


def _write(plan: Plan, scan: Scan, run: Run, images: ImageRequest, options: RunOptions) -> None:
    axes = [GridAxis(axis.name, axis.values, axis.unit) for axis in scan.axes]
    with closing(run.parts()) as parts, ScanFile(plan, scan, run, options, "diffraction map") as file:
        file.create("data", axes, sigma=file.sigma, long_name="intensity")
        for _, intensity, sigma in file.layers(parts):
            file.write_measured("data", None, intensity, sigma)
            file.point_at("data", scan.index)
            made = images.make(file.radial.values, intensity, sigma, threads=options.threads)
        with file.pending.writing() as hdf5:
            for name, maps in made.items():
                write_images(hdf5["entry"], name, axes, maps)
            if scan.points is not None:
                for place, axis in enumerate(("y", "x")):
                    hdf5[f"entry/scan/{axis}"] = scan.points[:, place]
