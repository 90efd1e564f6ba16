"""Options from a JSON file of pyFAI; those of the command line go before."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.errors import SpecError

if TYPE_CHECKING:
    from aureole.compat.pyfai.config import PyfaiConfig
    from aureole.compat.pyfai.config_map import DiffmapConfig

_ABSENT = object()
_POSITIONS = {"x", "y", "rotation", "translation"}


def add_pyfai_config(parser: argparse.ArgumentParser, group: argparse._ActionsContainer) -> None:
    """Add ``--pyfai-config``."""
    group.add_argument(
        "--pyfai-config",
        metavar="FILE",
        type=Path,
        help="JSON file of pyFAI-integrate or diff_map: geometry, frames and settings, where no option here "
        "says otherwise",
    )
    parser.set_defaults(options=parser, geometry=None, fields={}, config_notes=())


def apply_pyfai_config(args: argparse.Namespace) -> None:
    """Put what the file says in the place of options that were not given.

    Raises
    ------
    InputError
        The file cannot be read, or asks for what the verb cannot do.
    """
    if args.pyfai_config is None:
        return
    from aureole.compat.pyfai.config import read_config, read_json
    from aureole.compat.pyfai.config_map import is_diffmap, read_diffmap

    if is_diffmap(read_json(args.pyfai_config)):
        scan = read_diffmap(args.pyfai_config)
        config, notes = scan.integration, scan.notes
        found = _options(config) | (_turned if args.verb == "xrdct" else _scan_options)(scan)
    else:
        config = read_config(args.pyfai_config)
        found, notes = _options(config), config.notes
    given = _given(args)
    if config.npt_azim is not None and args.verb != "integrate":
        raise SpecError(f"{args.pyfai_config}: asks for cakes, which aureole {args.verb} does not make")
    # positions of frames say all that the order of a raster would
    ruled_out = {"zigzag", "step", "angles"} if given & _POSITIONS else set()
    for name, value in found.items():
        if hasattr(args, name) and name not in given | ruled_out:
            setattr(args, name, value)
    if "poni" not in given:
        args.geometry = config.geometry
    args.fields = {"normalization_factor": config.normalization_factor}
    if "polarization_factor" not in given and config.polarization is not None:
        args.fields["polarization_axis_offset"] = config.polarization[1]
    if not given & {"trim", "sigma_clip"}:
        args.fields["robust"] = config.robust
    args.config_notes = notes


def _given(args: argparse.Namespace) -> set[str]:
    """Return the options that the command line names: only they replace what stands there already."""
    blank = argparse.Namespace(**dict.fromkeys(vars(args), _ABSENT))
    place = args.argv.index(args.verb) + 1
    again, _ = args.options.parse_known_args(args.argv[place:], blank)
    named = {name for name, value in vars(again).items() if value is not _ABSENT}
    return named if again.frames else named - {"frames"}


def _options(config: PyfaiConfig) -> dict[str, Any]:
    return {
        "npt": config.npt,
        "npt_azim": config.npt_azim,
        "unit": config.unit,
        "radial_range": config.radial_range,
        "azimuth_range": config.azimuth_range,
        "split": config.split,
        "error_model": config.error_model or "none",
        "no_solid_angle": not config.solid_angle,
        "polarization_factor": None if config.polarization is None else config.polarization[0],
        "dummy": config.dummy,
        "delta_dummy": config.delta_dummy,
        "mask": config.mask,
        "no_detector_mask": config.mask is not None,
        "dark": list(config.dark) or None,
        "flat": list(config.flat) or None,
        "chi_discontinuity": config.chi_discontinuity,
        "monitor": config.monitor,
        "no_efficiency": True,
    }


def _scan_options(scan: DiffmapConfig) -> dict[str, Any]:
    steps = [motor.step for motor in (scan.slow, scan.fast)[-len(scan.shape) :]]
    return {
        "frames": list(scan.frames),
        "shape": ",".join(map(str, scan.shape)),
        "zigzag": scan.zigzag,
        "step": ",".join(repr(step) for step in steps) if all(steps) else None,
    }


def _turned(scan: DiffmapConfig) -> dict[str, Any]:
    """Return the options of a tomogram, of which diff_map takes the slow motor for the rotation (degrees)."""
    slow, fast = scan.slow, scan.fast
    return _scan_options(scan) | {
        "shape": f"{slow.points},{fast.points}",
        "angles": f"{slow.start!r},{slow.stop!r}" if slow.step else None,
        "step": repr(fast.step) if fast.step else None,
    }
