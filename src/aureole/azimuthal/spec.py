"""What the user wants: one frozen, validated, comparable description of an integration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, fields
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, get_args

from numpy.typing import NDArray

from aureole.arrays import NamedArray
from aureole.axis import Axis
from aureole.errors import SpecError
from aureole.geometry import Discontinuity, Geometry, Sample, Sensor
from aureole.kernels.robust import Clip, Trim
from aureole.units import unit

if TYPE_CHECKING:
    from aureole.azimuthal.plan import Plan

Split = Literal["no", "bbox", "pseudo", "full"]
ErrorModel = Literal["variance", "poisson", "poisson_floor", "azimuthal"]

_FORMAT = "aureole-integration-1"
_LATER = ("robust", "efficiency", "sample")
"""Fields that came after the first version: where they say nothing, specs keep their digest."""
_ARRAYS = ("mask", "dark", "dark_variance", "flat", "absorption")


ArrayField = NamedArray | NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class IntegrationSpec:
    """What to integrate, along which axes, with which corrections and errors; for any number of frames.

    Specs are equal when their `digest` is. What differs from frame to frame (the monitor, a variance) is no
    part of it: `Plan.integrate` takes that.

    Parameters
    ----------
    geometry : Geometry
        Where the detector stands. Its detector may lack a shape if one of the arrays below has it.
    radial, azimuthal : Axis, optional
        At least one has bins: both make a `Cake`, one alone a `Pattern`. An axis without bins restricts the
        range.
    split : {"bbox", "no", "pseudo", "full"}
        How a pixel is shared among bins.
    error_model : {"variance", "poisson", "poisson_floor", "azimuthal"}, optional
        ``"variance"``: an array comes with each frame; ``"poisson"``: raw counts are their own variance;
        ``"poisson_floor"``: the same, at least one for each pixel; ``"azimuthal"``: the scatter within a bin.
    mask : array of shape (n1, n2), optional
        Non-zero is invalid; added to the detector's own mask.
    detector_mask : bool
        Whether the detector's own mask (its gaps) holds.
    dummy, delta_dummy : float, optional
        Values within ``dummy ± delta_dummy`` are invalid, in frames, dark and flat. They stand in the place
        of the detector's own invalid values. NaN and infinities are always invalid.
    saturation : float, optional
        Values above this one are invalid in frames.
    dark, dark_variance : array of shape (n1, n2), optional
        Subtracted from each frame (counts a frame), and its variance, which adds to that of the frames.
    flat, absorption : array of shape (n1, n2), optional
        Divide the signal. Pixels where they are not finite and above zero are invalid.
    solid_angle : bool
        Divide by the relative solid angle of each pixel.
    polarization_factor : float, optional
        Between -1 (vertical) and 1 (horizontal), 0 for an unpolarised beam; None leaves it uncorrected.
    polarization_axis_offset : float
        Angle from the main axis of polarization to the fast axis, in rad.
    normalization_factor : float
        Divides every intensity; above zero.
    efficiency : bool
        Divide by the quantum efficiency of the sensor over that along its normal, where material and
        thickness of the sensor and the wavelength are known; see `efficiency_of`.
    chi_discontinuity : {"pi", "zero"}
        Whether azimuths run over [-π, π) or [0, 2π).
    robust : Trim or Clip, optional
        What pixels of a bin do not count in a frame because they stand out, as the grains of a spotty ring
        do. Every pixel counts without it. Robust results do not merge.
    sample : Sample, optional
        How the sample stands in the beam; axes of grazing incidence and of fibres need it, others do not.

    Raises
    ------
    SpecError
        A value that is impossible, or two that contradict each other.
    GeometryError
        A unit that needs a wavelength, with a geometry that has none; a parallax that is not known.
    """

    geometry: Geometry
    _: KW_ONLY
    radial: Axis | None = None
    azimuthal: Axis | None = None
    split: Split = "bbox"
    error_model: ErrorModel | None = None
    mask: ArrayField = None
    detector_mask: bool = True
    dummy: float | None = None
    delta_dummy: float | None = None
    saturation: float | None = None
    dark: ArrayField = None
    dark_variance: ArrayField = None
    flat: ArrayField = None
    absorption: ArrayField = None
    solid_angle: bool = True
    polarization_factor: float | None = None
    polarization_axis_offset: float = 0.0
    normalization_factor: float = 1.0
    chi_discontinuity: Discontinuity = "pi"
    robust: Trim | Clip | None = None
    efficiency: bool = True
    sample: Sample | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.geometry, Geometry):
            raise SpecError(f"a geometry is needed first, not {type(self.geometry).__name__}")
        _check_axes(self)
        for name, choices in (
            ("split", get_args(Split)),
            ("error_model", (None, *get_args(ErrorModel))),
            ("chi_discontinuity", get_args(Discontinuity)),
        ):
            if getattr(self, name) not in choices:
                known = ", ".join(str(choice) for choice in choices)
                raise SpecError(f"{name} is {getattr(self, name)!r}: it must be one of {known}")
        _check_robust(self)
        _check_sample(self)
        for name in ("detector_mask", "solid_angle", "efficiency"):
            object.__setattr__(self, name, bool(getattr(self, name)))
        for name in _NUMBERS:
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        recorded = self.geometry.detector.recorded
        for name in ("flat", "dark"):
            if getattr(self, name) is None and recorded is not None:
                object.__setattr__(self, name, getattr(recorded, name))
        for name in _ARRAYS:
            wrapped = NamedArray.wrap(name, getattr(self, name), bool if name == "mask" else None)
            object.__setattr__(self, name, wrapped)
        _check_numbers(self)
        _check_arrays(self)

    @property
    def arrays(self) -> dict[str, NamedArray]:
        """The arrays that are there, by the name of their field."""
        return {name: getattr(self, name) for name in _ARRAYS if getattr(self, name) is not None}

    @property
    def embedded(self) -> dict[str, NamedArray]:
        """All arrays that `from_json` needs: these, and what a file recorded of the detector."""
        recorded = self.geometry.detector.recorded
        own = {} if recorded is None else recorded.arrays
        return self.arrays | {f"detector_{name}": named for name, named in own.items()}

    @property
    def shape(self) -> tuple[int, int] | None:
        """Shape of a frame, from the detector or else from the arrays; None if neither has one."""
        shape = self.geometry.detector.shape
        for named in self.arrays.values():
            shape = shape or (named.array.shape[0], named.array.shape[1])
        return shape

    @property
    def efficiency_of(self) -> Sensor | None:
        """The sensor whose efficiency the signal is divided by; None without that correction."""
        sensor, wavelength = self.geometry.detector.known_sensor, self.geometry.wavelength
        if not self.efficiency or sensor is None or wavelength is None:
            return None
        return sensor if sensor.stops(self.geometry.energy_kev) else None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntegrationSpec) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def plan(self, backend: str = "auto", threads: int | None = None, *, device: str | None = None) -> Plan:
        """Compile this into a `Plan`: the look-up table and all that does not change from frame to frame.

        Parameters
        ----------
        backend : str
            ``"auto"``, ``"cpu"``, ``"opencl"``, or ``"reference"``: see `Plan`.
        threads : int, optional
            How many to use for making the table; all available cores without it.
        device : str, optional
            On which OpenCL devices: see `Plan`.

        Raises
        ------
        SpecError
            The shape of a frame is not known, no valid pixel lies in the ranges, or the backend cannot do it.
        DeviceError
            There is no such device, or it has too little memory.
        """
        from aureole.azimuthal.plan import Plan

        return Plan(self, backend=backend, device=device, threads=threads)

    def to_json(self) -> str:
        """Return the canonical JSON; arrays stand in it as name, shape, dtype and SHA-256."""
        content: dict[str, Any] = {"format": _FORMAT}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Geometry):
                value = value.to_dict()
            elif isinstance(value, Axis):
                value = {"unit": value.unit, "bins": value.bins, "range": value.range}
            elif isinstance(value, NamedArray):
                value = value.describe()
            elif isinstance(value, Sample):
                value = value.to_dict()
            elif isinstance(value, Trim | Clip):
                value = {type(value).__name__.lower(): _rule(value)}
            elif field.name == "efficiency":
                value = None if self.efficiency_of is None else self.efficiency_of.to_dict()
            if field.name not in _LATER or value is not None:
                content[field.name] = value
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str, arrays: Mapping[str, NDArray[Any]] | None = None) -> IntegrationSpec:
        """Return the spec that `to_json` wrote.

        Parameters
        ----------
        text : str
        arrays : mapping of str to ndarray, optional
            The arrays by their SHA-256, as far as the spec has any.

        Raises
        ------
        SpecError
            The text is no such JSON, or an array is missing or has another content.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise SpecError(f"an integration spec must be JSON: {error}") from None
        if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
            raise SpecError(f"this JSON is no integration spec of the format {_FORMAT}")
        unknown = content.keys() - {field.name for field in fields(cls)}
        if unknown or "geometry" not in content:
            wrong = f"has unknown fields: {', '.join(sorted(unknown))}" if unknown else "lacks a geometry"
            raise SpecError(f"the integration spec {wrong}")
        try:
            for name, value in content.items():
                content[name] = _from_plain(name, value, arrays or {})
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise SpecError(f"the integration spec has a broken field {name!r}: {error!r}") from None
        sensor = content.pop("efficiency", None)
        spec = cls(content.pop("geometry"), efficiency=sensor is not None, **content)
        if spec.efficiency_of != sensor:
            raise SpecError(
                f"the integration spec corrects for a sensor of {sensor}; its detector has another"
            )
        return spec


def _check_robust(spec: IntegrationSpec) -> None:
    rule = spec.robust
    if not isinstance(rule, Trim | Clip | None):
        raise SpecError(f"robust is {rule!r}: it must be a Trim, a Clip or None")
    if isinstance(rule, Trim) and rule.low == rule.high and spec.error_model == "azimuthal":
        raise SpecError(
            f"pixels at one percentile, {rule.low:g}, have no scatter that an error could come from: give two"
        )


def _rule(rule: Trim | Clip) -> dict[str, Any]:
    """Return the fields of a rule; specs from before ``by_scatter`` keep their digest."""
    known = asdict(rule)
    if not known.get("by_scatter", True):
        del known["by_scatter"]
    return known


_NUMBERS = (
    "dummy",
    "delta_dummy",
    "saturation",
    "polarization_factor",
    "polarization_axis_offset",
    "normalization_factor",
)


def _number(name: str, value: object) -> float | None:
    if value is None and name not in ("polarization_axis_offset", "normalization_factor"):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SpecError(f"{name} must be a number, not {value!r}") from None
    if not isfinite(number):
        raise SpecError(f"{name} must be finite, not {number} (NaN is always invalid)")
    return number


def _check_axes(spec: IntegrationSpec) -> None:
    for kind in ("radial", "azimuthal"):
        axis = getattr(spec, kind)
        if axis is None:
            continue
        if not isinstance(axis, Axis):
            raise SpecError(f"the {kind} axis must be an aureole.Axis, not {axis!r}")
        unit(axis.unit, kind).scale(spec.geometry.wavelength)
    if not any(axis is not None and axis.bins for axis in (spec.radial, spec.azimuthal)):
        raise SpecError('no axis has bins: give one, such as radial=Axis("q_nm^-1", 1000)')
    if spec.geometry.parallax:
        spec.geometry.field("r_m")  # raises where it is not known


def _check_sample(spec: IntegrationSpec) -> None:
    if not isinstance(spec.sample, Sample | None):
        raise SpecError(f"sample is {spec.sample!r}: it must be an aureole.Sample or None")
    axes = [axis for axis in (spec.radial, spec.azimuthal) if axis is not None]
    wanting = [axis.unit for axis in axes if axis.definition.needs_sample]
    if wanting and spec.sample is None:
        raise SpecError(
            f"{' and '.join(wanting)} need to know how the sample stands in the beam: give its angle "
            "of incidence"
        )
    if spec.sample is not None and not wanting:
        raise SpecError(
            f"a sample has no use with {' and '.join(axis.unit for axis in axes)}: no axis depends on it"
        )


def _check_numbers(spec: IntegrationSpec) -> None:
    if spec.delta_dummy is not None and spec.dummy is None:
        raise SpecError("delta_dummy needs a dummy")
    if spec.delta_dummy is not None and spec.delta_dummy < 0.0:
        raise SpecError(f"delta_dummy is {spec.delta_dummy}: it cannot be negative")
    if spec.polarization_factor is not None and not -1.0 <= spec.polarization_factor <= 1.0:
        raise SpecError(f"polarization_factor is {spec.polarization_factor}: it lies between -1 and 1")
    if spec.normalization_factor <= 0.0:
        raise SpecError(f"normalization_factor is {spec.normalization_factor}: it must be above zero")


def _check_arrays(spec: IntegrationSpec) -> None:
    shape, owner = spec.geometry.detector.shape, "detector"
    for name, named in spec.arrays.items():
        label = name if named.name == name else f"{name} {named.name}"
        if named.array.ndim != 2:
            raise SpecError(f"{label} has shape {named.array.shape}: an image has two axes")
        if shape is None:
            shape, owner = (named.array.shape[0], named.array.shape[1]), label
        elif named.array.shape != tuple(shape):
            raise SpecError(f"{label} has shape {named.array.shape}, the {owner} has {tuple(shape)}")
    if spec.dark_variance is not None and spec.dark is None:
        raise SpecError("dark_variance needs a dark")
    if spec.dark_variance is not None and spec.error_model in (None, "azimuthal"):
        raise SpecError(f"dark_variance has no use with error_model {spec.error_model!r}")


def _from_plain(name: str, value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if value is None:
        return None
    if name == "geometry":
        return Geometry.from_dict(value, arrays)
    if name in ("radial", "azimuthal"):
        return Axis(value["unit"], value["bins"], value["range"])
    if name in _ARRAYS:
        return NamedArray.find(value, arrays)
    if name == "sample":
        return Sample(**value)
    if name == "efficiency":
        return Sensor(value["material"], value["thickness"])
    if name == "robust":
        ((kind, numbers),) = value.items()
        return {"trim": Trim, "clip": Clip}[kind](**numbers)
    return value
