"""JSON files of diff_map: what to integrate, which frames, and how the sample was scanned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aureole.compat.pyfai.config import PyfaiConfig, config_of, read_json
from aureole.errors import SpecError

_NO_MATTER = {"diffmap_config_version", "experiment_title"}


@dataclass(frozen=True, slots=True)
class Motor:
    """A motor of the scan: its name, how many places it went to, and the first and the last one."""

    name: str
    points: int
    start: float | None
    stop: float | None

    @property
    def step(self) -> float | None:
        """From place to place; None where that is not known."""
        if self.start is None or self.stop is None or self.points < 2:
            return None
        return (self.stop - self.start) / (self.points - 1)


@dataclass(frozen=True)
class DiffmapConfig:
    """What such a file asks for.

    Attributes
    ----------
    integration : PyfaiConfig
    slow, fast : Motor
    zigzag : bool
        Whether every second line ran backwards.
    frames : tuple of str
    output : str or None
    notes : tuple of str
        What is not carried over, a line each.
    """

    integration: PyfaiConfig
    slow: Motor
    fast: Motor
    zigzag: bool
    frames: tuple[str, ...]
    output: str | None
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of places: (slow, fast), or of the fast motor alone."""
        return (self.slow.points, self.fast.points) if self.slow.points > 1 else (self.fast.points,)


def is_diffmap(content: Mapping[str, Any]) -> bool:
    """Return whether a mapping is one of diff_map."""
    return "ai" in content or "diffmap_config_version" in content or "input_data" in content


def read_diffmap(path: str | Path) -> DiffmapConfig:
    """Read a file of diff_map; parameters and errors are those of `read_config`."""
    try:
        return _diffmap_of(dict(read_json(path)), Path(path).parent)
    except SpecError as error:
        raise SpecError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def _diffmap_of(entries: dict[str, Any], folder: Path) -> DiffmapConfig:
    nested = entries.pop("ai", None)
    if not isinstance(nested, Mapping):
        raise SpecError("there is nothing about the integration (ai)")
    given = dict(nested)
    for name in ("rad", "azim"):
        older = entries.pop(f"npt_{name}", None)
        if older:
            given[f"nbpt_{name}"] = older
    integration = config_of(given, folder)
    slow, fast = (_motor(entries, name) for name in ("slow", "fast"))
    if not fast.points:
        raise SpecError("the number of points of the fast motor is missing")
    frames, several = _frames(entries.pop("input_data", None) or (), folder)
    offset = int(entries.pop("offset", 0) or 0)
    if offset and several:
        raise SpecError(f"offset {offset}: frames in files of several cannot be passed over")
    notes = list(integration.notes)
    if slow.points < 1:
        slow = Motor(slow.name, 1, slow.start, slow.stop)
    zigzag = bool(entries.pop("zigzag_scan", False))
    output = entries.pop("output_file", None)
    if left := sorted(key for key, value in entries.items() if value and key not in _NO_MATTER):
        notes.append(f"not carried over from the configuration of diff_map: {', '.join(left)}")
    return DiffmapConfig(integration, slow, fast, zigzag, frames[offset:], output, tuple(notes))


def _motor(entries: dict[str, Any], kind: str) -> Motor:
    """Return a motor: a mapping or a sequence of its own, or single entries of older files."""
    found = entries.pop(f"{kind}_motor", None)
    if isinstance(found, list | tuple):
        found = dict(zip(("start", "stop", "points", "name"), found, strict=False))
    known = dict(found or {})
    for key in (f"nbpt_{kind}", f"npt_{kind}", f"{kind}_motor_points"):
        points = entries.pop(key, None)
        known["points"] = known.get("points") or points
    known["name"] = known.get("name") or entries.pop(f"{kind}_motor_name", None) or kind
    limits = entries.pop(f"{kind}_motor_range", None)
    if limits and known.get("start") is None:
        known["start"], known["stop"] = limits[0], limits[-1]
    entries.pop(f"{kind}_motor_name", None)
    start, stop = (None if known.get(key) is None else float(known[key]) for key in ("start", "stop"))
    return Motor(str(known["name"]), int(known.get("points") or 0), start, stop)


def _frames(given: Any, folder: Path) -> tuple[tuple[str, ...], bool]:
    """Return the names of the files, and whether one of them may hold several frames."""
    names, several = [], False
    for entry in given:
        if isinstance(entry, Mapping):
            path, count, hdf5 = entry.get("path"), entry.get("nframes"), entry.get("h5")
        elif isinstance(entry, str):
            path, count, hdf5 = entry, None, None
        else:
            path, hdf5, count = (*entry, None, None)[:3]
        name = str(path)
        several |= bool(hdf5) or (count or 1) > 1 or Path(name).suffix in (".h5", ".nxs", ".hdf5")
        beside = folder / name
        names.append(str(beside) if not Path(name).exists() and beside.exists() else name)
    return tuple(names), several
