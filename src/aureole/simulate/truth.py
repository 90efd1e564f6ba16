"""What is known of a simulated scan: where each frame was, and what the sample is made of."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.io.nexus import new_entry, new_group
from aureole.simulate.experiment import Experiment
from aureole.simulate.tomogram import XrdctScan
from aureole.version import __version__

_PER_PIXEL = 4
"""Points of the patterns' grid to a pixel near the beam."""


def scan_table(experiment: Experiment) -> str:
    """Return where each frame was, as comma-separated values with a line of names.

    Degrees and mm, the flux of the beam relative to its mean, and the transmission of the sample.
    """
    columns = {
        **experiment.positions,
        "monitor": experiment.monitor,
        "transmission": experiment.transmission,
    }
    rows = (
        ",".join((str(frame), *(f"{value:.6f}" for value in values)))
        for frame, values in enumerate(zip(*columns.values(), strict=True))
    )
    return "\n".join((",".join(("frame", *columns)), *rows, ""))


def write_truth(path: Path, experiment: Experiment) -> None:
    """Write the truth of a scan: phase volumes, patterns, attenuation, axis and beam.

    Parameters
    ----------
    path : Path
        A new HDF5 file: ``/entry/data`` with the volume fractions (phase, z, y, x); ``/entry/patterns`` with
        counts of a pixel at the PONI against q for a line integral of one step; ``/entry/attenuation`` (z, y,
        x) per step; ``/entry/beam`` with monitor and transmission of each frame, and for tomograms
        ``/entry/axis`` with the rotation center at each angle.
    experiment : Experiment
    """
    names = list(experiment.phantom.phases)
    step = experiment.scan.step
    volume = experiment.truth
    # libhdf5 does not survive a disk that refuses: it writes into memory
    memory = BytesIO()
    with h5py.File(memory, "w") as file:
        entry = new_entry(file)
        entry["title"] = "truth of a simulated scan"
        entry["program_name"] = "aureole"
        entry["program_name"].attrs["version"] = __version__
        axes = {
            axis: (np.arange(count) - (count - 1) / 2 * (axis != "z")) * step
            for axis, count in zip("zyx", volume.shape[1:], strict=True)
        }
        data = _data(entry, "data", "fraction", volume.astype(np.float32), ["phase", *axes])
        _name_phases(data, names)
        attenuation = np.tensordot(experiment.attenuation, volume, 1).astype(np.float32)
        mu = _data(entry, "attenuation", "mu", attenuation, list(axes))
        mu["mu"].attrs["units"] = "1/step"
        for group in (data, mu):
            for axis, values in axes.items():
                group[axis] = values
                group[axis].attrs["units"] = "mm"
        q, patterns = _patterns(experiment)
        group = _data(entry, "patterns", "intensity", patterns, ["phase", "q"])
        _name_phases(group, [*names, "air"])
        group["q"] = q
        group["q"].attrs["units"] = "1/nm"
        beam = _data(entry, "beam", "monitor", experiment.monitor, ["."])
        beam["transmission"] = experiment.transmission
        if isinstance(experiment.scan, XrdctScan):
            _write_axis(entry, experiment.scan)
    path.write_bytes(memory.getbuffer())


def _patterns(experiment: Experiment) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    screen = experiment.screen
    step = screen.pixel_angle / _PER_PIXEL
    at = np.arange(0.0, float(screen.two_theta[-1]), step)
    found = [np.interp(at, screen.two_theta, one) for one in (*experiment.patterns, experiment.air)]
    q = np.interp(at, screen.two_theta, screen.q) * 10.0
    return q, np.array(found, np.float32)


def _write_axis(entry: h5py.Group, scan: XrdctScan) -> None:
    axis = _data(entry, "axis", "rotation_center", scan.centers, ["rotation"])
    axis["rotation_center"].attrs["units"] = "step"
    axis["rotation"] = np.arange(scan.angles) * (scan.turned / scan.angles)
    axis["rotation"].attrs["units"] = "deg"
    axis["mean_rotation_center"] = scan.rotation_center
    axis["sample_radius"] = scan.radius


def _data(entry: h5py.Group, name: str, signal: str, values: object, axes: list[str]) -> h5py.Group:
    group = new_group(entry, name, "NXdata")
    group.attrs["signal"] = signal
    group.attrs["axes"] = axes
    group[signal] = values
    return group


def _name_phases(group: h5py.Group, names: list[str]) -> None:
    group.create_dataset("phase", data=names, dtype=h5py.string_dtype())
