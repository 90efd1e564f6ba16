"""JSON files of pyFAI-integrate, of pyFAI's worker and of diff_map, of all versions that it reads itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np

from aureole.axis import Axis
from aureole.azimuthal import Clip, IntegrationSpec, Trim
from aureole.azimuthal.spec import ErrorModel, Split
from aureole.compat.pyfai.config_keys import current, geometry_of
from aureole.compat.pyfai.words import error_model_of, is_hybrid, split_of, unit_of
from aureole.errors import FormatError, SpecError
from aureole.geometry import Discontinuity
from aureole.geometry import Geometry as Pose
from aureole.io import read_image

Range = tuple[float, float] | None

_SPLITS = ("no", "bbox", "pseudo", "full")
_CLIP = {"thres": 5.0, "max_iter": 5}
_NO_MATTER = {"application", "version", "shape", "opencl_device", "do_OpenCL", "integrator_class"}
"""What changes no result."""


@dataclass(frozen=True, kw_only=True)
class PyfaiConfig:
    """What such a file asks for, in Aureole's words.

    Attributes
    ----------
    geometry : aureole.Geometry
    npt, npt_azim : int
        Number of radial and azimuthal bins; None for a pattern.
    unit : str
    radial_range, azimuth_range : tuple of float or None
        In that unit, and in degrees.
    split, error_model, robust, solid_angle, chi_discontinuity, dummy, delta_dummy : see `IntegrationSpec`
    polarization : tuple of float or None
        Factor, and offset of the axis in radians.
    mask : str or None
        A file; it replaces the detector's mask.
    dark, flat : tuple of str
        Files that are averaged.
    normalization_factor : float
    monitor : str or None
        Key in the headers of frames.
    notes : tuple of str
        What is not carried over, a line each.
    """

    geometry: Pose
    npt: int
    npt_azim: int | None
    unit: str
    radial_range: Range
    azimuth_range: Range
    split: Split
    error_model: ErrorModel | None
    robust: Clip | Trim | None
    solid_angle: bool
    polarization: tuple[float, float] | None
    dummy: float | None
    delta_dummy: float | None
    mask: str | None
    dark: tuple[str, ...]
    flat: tuple[str, ...]
    chi_discontinuity: Discontinuity
    normalization_factor: float
    monitor: str | None
    notes: tuple[str, ...]

    def spec(self, shape: tuple[int, ...] | None = None) -> IntegrationSpec:
        """Return the spec, with mask, dark and flat read from their files.

        Parameters
        ----------
        shape : tuple of int, optional
            Of frames, where the detector does not know it.

        Raises
        ------
        InputError
            A file that cannot be read, or settings that contradict each other.
        """
        around = None
        if self.npt_azim is not None or self.azimuth_range is not None:
            around = Axis("chi_deg", self.npt_azim, self.azimuth_range)
        factor, offset = self.polarization or (None, 0.0)
        return IntegrationSpec(
            self.geometry if shape is None else self.geometry.with_shape(shape),
            radial=Axis(self.unit, self.npt, self.radial_range),
            azimuthal=around,
            split=self.split,
            error_model=self.error_model,
            mask=None if self.mask is None else read_image(self.mask),
            detector_mask=self.mask is None,
            dummy=self.dummy,
            delta_dummy=self.delta_dummy,
            dark=_mean(self.dark),
            flat=_mean(self.flat),
            solid_angle=self.solid_angle,
            polarization_factor=factor,
            polarization_axis_offset=offset,
            normalization_factor=self.normalization_factor,
            chi_discontinuity=self.chi_discontinuity,
            robust=self.robust,
            efficiency=False,
        )


def read_json(path: str | Path) -> dict[str, Any]:
    """Return the mapping of a JSON file; raises `FormatError` or `SpecError` where there is none."""
    try:
        content = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SpecError(f"{path}: is no JSON ({error})") from None
    if not isinstance(content, dict):
        raise SpecError(f"{path}: is no configuration of pyFAI: a mapping is needed")
    return content


def read_config(path: str | Path) -> PyfaiConfig:
    """Read a file of pyFAI-integrate or of pyFAI's worker.

    Parameters
    ----------
    path : str or Path
        Files that it names may lie beside it.

    Raises
    ------
    SpecError
        It is no such file, or asks for what cannot be done.
    GeometryError
        Its geometry cannot be understood.
    FormatError
        It cannot be read.
    """
    try:
        return config_of(read_json(path), Path(path).parent)
    except SpecError as error:
        raise SpecError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def config_of(given: Mapping[str, Any], folder: Path) -> PyfaiConfig:
    """Return what a mapping asks for; see `read_config`."""
    entries = current(given)
    notes: list[str] = []

    def take(name: str, default: Any = None) -> Any:
        value = entries.pop(name, None)
        return default if value is None else value

    if take("integrator_class", "AzimuthalIntegrator") == "FiberIntegrator" or "unit_ip" in entries:
        raise SpecError("integration of fibres and at grazing incidence is not read from pyFAI's files")
    geometry = geometry_of(entries, folder)
    npt, npt_azim = take("nbpt_rad"), take("nbpt_azim")
    if not npt:
        raise SpecError("the number of radial bins (nbpt_rad) is missing")
    extra = dict(take("extra_options", {}))
    ranges = {kind: _range(entries, extra, kind, notes) for kind in ("radial", "azimuth")}
    model = extra.pop("error_model", None) or take("error_model")
    entries.pop("error_model", None)
    poisson = entries.pop("do_poisson", False)
    method = _method(take("method"))
    robust = _robust(str(take("integrator_method", "")), extra, notes)
    named = "poisson" if poisson else _model_name(model)
    if isinstance(robust, Clip) and is_hybrid(named):
        named, robust = "poisson", replace(robust, by_scatter=True)
    known_model = error_model_of(named, None)
    if known_model == "variance":
        known_model = None
        notes.append("error_model variance: no file of variances is named, so there are no errors")
    if known_model is None and isinstance(robust, Clip):
        known_model = "azimuthal"
    polarization = take("polarization_description")
    if polarization is not None and polarization[0] is None:  # as pyFAI's worker writes what was not set
        polarization = None
    files = _Files(folder, notes)
    config = PyfaiConfig(
        geometry=geometry,
        npt=int(npt),
        npt_azim=int(npt_azim) if npt_azim and int(npt_azim) > 1 else None,
        unit=unit_of(take("unit", "2th_deg")).name,
        radial_range=ranges["radial"],
        azimuth_range=ranges["azimuth"],
        split=split_of(method),
        error_model=known_model,
        robust=robust,
        solid_angle=bool(take("correct_solid_angle", True)),
        polarization=None if polarization is None else (float(polarization[0]), float(polarization[1])),
        dummy=_number(take("val_dummy")),
        delta_dummy=_number(take("delta_dummy")),
        mask=next(iter(files(take("mask_file"))), None),
        dark=files(take("dark_current")),
        flat=files(take("flat_field")),
        chi_discontinuity="zero" if take("chi_discontinuity_at_0", False) else "pi",
        normalization_factor=float(take("normalization_factor", 1.0)),
        monitor=take("monitor_name"),
        notes=(),
    )
    if config.dummy is None:
        config = replace(config, delta_dummy=None)
    left = [key for key, value in entries.items() if value is not None and key not in _NO_MATTER]
    left += [f"extra_options.{key}" for key in extra]
    notes += [f"not carried over from the configuration of pyFAI: {', '.join(sorted(left))}"] if left else []
    return replace(config, notes=tuple(notes))


def _range(entries: dict[str, Any], extra: dict[str, Any], kind: str, notes: list[str]) -> Range:
    given = extra.pop(f"{kind}_range", None) or entries.pop(f"{kind}_range", None)
    low, high = (entries.pop(f"{kind}_range_{end}", None) for end in ("min", "max"))
    if not given:
        given = (low, high)
    ends = [_number(given[0]), _number(given[-1])]
    known = [end for end in ends if end is not None and isfinite(end)]
    if len(known) == 1:
        notes.append(f"{kind}_range has one end only, so it is not applied, as in pyFAI")
    if len(known) < 2:
        return None
    low, high = known
    if kind == "azimuth":
        return low, high if high > low else high + 360.0
    return min(known), max(known)


def _number(given: Any) -> float | None:
    return None if given is None or given == "" else float(given)


def _model_name(given: Any) -> str:
    """Return the name of an error model, which may be the number of one."""
    names = ("no", "variance", "poisson", "azimuthal", "hybrid")
    return names[given] if isinstance(given, int) else str(given or "")


def _method(given: Any) -> Any:
    """Return what `split_of` takes; sequences of five begin with the number of dimensions."""
    if not isinstance(given, list | tuple):
        return given if given is not None else "bbox"
    return (next((word for word in given if word in _SPLITS), "*"),)


def _robust(name: str, extra: dict[str, Any], notes: list[str]) -> Clip | Trim | None:
    """Return what the name of a method of pyFAI's integrator means."""
    short = name.removesuffix("_ng").removesuffix("_legacy")
    if name.endswith("_legacy"):
        notes.append(f"{name}: means are ratios of sums here, as those of {short}")
    if short in ("", "integrate1d", "integrate2d", "integrate"):
        return None
    if short == "sigma_clip":
        given = {key: extra.pop(key, default) for key, default in _CLIP.items()}
        sigma, steps = float(given["thres"] or 0.0), int(given["max_iter"])
        return Clip(max(sigma, 1e-9), steps, chauvenet=True) if steps > 0 else None
    if short == "medfilt1d":
        given = extra.pop("percentile", 50)
        low, high = given if isinstance(given, list | tuple) else (given, given)
        return Trim(float(low), float(high))
    raise SpecError(
        f"integrator_method {name!r} has no counterpart: it is integrate, sigma_clip or medfilt1d"
    )


class _Files:
    """Names of files as Aureole takes them, looked for where they are said to be and beside the JSON file."""

    def __init__(self, folder: Path, notes: list[str]) -> None:
        self._folder, self._notes = folder, notes

    def __call__(self, given: Any) -> tuple[str, ...]:
        if not given:
            return ()
        return tuple(self._one(str(name)) for name in ([given] if isinstance(given, str) else given))

    def _one(self, name: str) -> str:
        inside, address = "", urlparse(name)
        if address.scheme in ("fabio", "silx", "file"):
            query = parse_qs(address.query)
            name, inside = address.path, query.get("path", [""])[0]
            if "slice" in query and query["slice"] != ["0"]:
                self._notes.append(f"{name}: all its images are taken, not slice {query['slice'][0]}")
        elif "::" in name:
            name, _, inside = name.partition("::")
        beside = self._folder / name
        found = str(beside) if not Path(name).exists() and beside.exists() else name
        return f"{found}::{inside}" if inside.startswith("/") else found


def _mean(names: tuple[str, ...]) -> Any:
    images = [np.asarray(read_image(name), np.float64) for name in names]
    return np.mean(images, axis=0) if images else None
