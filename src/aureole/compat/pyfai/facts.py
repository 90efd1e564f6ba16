"""What both kinds of results have: sums by bin, the errors that follow from them, and how they came about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Cake, IntegrationSpec, MultiSpec, Pattern, Sums
from aureole.compat.pyfai.units import Unit
from aureole.errors import SpecError

F64 = NDArray[np.float64]


class Called(NamedTuple):
    """How an integration was called, as far as results tell of it."""

    method: object
    polarization_factor: float | None
    normalization_factor: float
    metadata: object
    percentile: object = None
    method_called: str = "integrate1d"


@dataclass(frozen=True, eq=False)
class Facts:
    """What results tell beside intensity and errors."""

    sums: Sums
    axes: tuple[F64, ...]
    units: tuple[Unit, ...]
    spec: IntegrationSpec
    called: Called
    backend: str
    empty: float

    @classmethod
    def of(cls, found: Pattern | Cake, called: Called, empty: float) -> Facts:
        """Return those of a result of Aureole."""
        spec = found.spec.specs[0] if isinstance(found.spec, MultiSpec) else found.spec
        pairs = [
            (centres, Unit(axis.unit))
            for centres, axis in ((found.radial, spec.radial), (found.azimuthal, spec.azimuthal))
            if centres is not None and axis is not None
        ]
        axes, units = zip(*pairs, strict=True)
        return cls(found.sums, axes, units, spec, called, found.bins.backend, empty)


class IntegrateResult(tuple[Any, ...]):
    """Base of the two kinds of results; made by integrators.

    Attributes
    ----------
    sum_signal, sum_normalization, sum_normalization2, sum_variance, count : ndarray
        The sums behind the intensities; no variance without an error model. The count is that of
        the pixels which have a share in a bin.
    sem, std : ndarray or None
        Standard error of the mean, and standard deviation of a pixel.
    """

    _facts: Facts
    std: F64 | None
    normalization_factor: float

    @classmethod
    def of(cls, found: Pattern | Cake, called: Called, *, empty: float) -> Self:
        """Return the result of an integration."""
        return cls._made(Facts.of(found, called, empty), found.sigma, found.std)

    @classmethod
    def _made(cls, facts: Facts, sem: F64 | None, std: F64 | None) -> Self:
        sums, empty = facts.sums, facts.empty
        full = (sums.count > 0) & (sums.normalization != 0.0)

        def filled(values: F64 | None) -> F64 | None:
            return None if values is None else np.where(full, values, empty)

        mean = np.divide(sums.signal, sums.normalization, out=np.zeros(sums.signal.shape), where=full)
        made = cls(one for one in cls._order(filled(mean), facts.axes, filled(sem)) if one is not None)
        made._facts, made.std = facts, filled(std)
        return made

    @staticmethod
    def _order(intensity: F64 | None, axes: tuple[F64, ...], sigma: F64 | None) -> tuple[Any, ...]:
        raise NotImplementedError

    def _with(self, sums: Sums, **changed: Any) -> Self:
        return self._made(replace(self._facts, sums=sums, **changed), *errors_of(sums))

    def _combined(self, other: Self, function: Callable[..., Any]) -> Self:
        mine, theirs = self._facts.sums, self._comparable(other)
        if not np.allclose(mine.normalization, theirs.normalization):
            raise SpecError("the normalizations of the two results differ: use union")
        both = (mine.variance, theirs.variance)
        known = [part for part in both if part is not None]
        return self._with(
            replace(
                mine,
                signal=function(mine.signal, theirs.signal),
                variance=sum(known[1:], known[0]) if known else None,
                weighted=None,
            )
        )

    def _comparable(self, other: Self) -> Sums:
        own = self._facts
        if not isinstance(other, type(self)) or own.units != other._facts.units:
            raise SpecError("only results of one kind and unit can be taken together")
        if self.error_model != other.error_model:
            raise SpecError(f"the error models differ: {self.error_model} and {other.error_model}")
        return other._facts.sums

    def __add__(self, other: Self) -> Self:  # type: ignore[override]
        return self._combined(other, np.add)

    def __sub__(self, other: Self) -> Self:
        return self._combined(other, np.subtract)

    def union(self, other: Self) -> Self:
        """Return what both would give as one; variances from the scatter are those about the common mean."""
        return self._with(self._facts.sums.merged(self._comparable(other)))

    def renormalize(self, value: float, copy: bool = True) -> Self:
        """Return the same with another normalization factor."""
        ratio = np.array([value / self.normalization_factor])
        sums = self._facts.sums.apply(lambda part: part[None]).with_monitor(ratio).split()[0]
        return self._with(sums, called=self._facts.called._replace(normalization_factor=value))

    @property
    def sum_signal(self) -> F64:
        """Σc·signal."""
        return self._facts.sums.signal

    sum = sum_signal

    @property
    def sum_normalization(self) -> F64:
        """Σc·norm."""
        return self._facts.sums.normalization

    @property
    def sum_normalization2(self) -> F64:
        """Σ(c·norm)²."""
        return self._facts.sums.normalization2

    @property
    def sum_variance(self) -> F64 | None:
        """Σc²·variance."""
        return self._facts.sums.variance

    @property
    def count(self) -> NDArray[np.int64]:  # type: ignore[override]
        """Number of pixels that have a share in each bin."""
        return self._facts.sums.count

    @property
    def sem(self) -> F64 | None:
        """Standard error of the mean; None without an error model."""
        return self[-1] if len(self) == len(self._facts.axes) + 2 else None

    sigma = sem

    @property
    def error_model(self) -> str | None:
        """Name of the error model."""
        name = self._facts.spec.error_model
        return None if name is None else name.removesuffix("_floor")

    @property
    def poni(self) -> Any:
        """The geometry, as an `aureole.Geometry`."""
        return self._facts.spec.geometry

    @property
    def compute_engine(self) -> str:
        """What made the sums."""
        return f"aureole {self._facts.backend}"

    @property
    def has_mask_applied(self) -> bool:
        """Whether a mask was given, or the detector has one."""
        return self._facts.spec.mask is not None or self._facts.spec.detector_mask

    @property
    def dummy(self) -> float:
        """What empty bins hold."""
        return self._facts.empty

    weighted_average = True
    npt_azim = None


def _of_call(name: str) -> property:
    return property(lambda self: getattr(self._facts.called, name), doc="As the call had it.")


def _of_spec(name: str, what: str) -> property:
    def get(self: IntegrateResult) -> bool:
        return getattr(self._facts.spec, name) not in (None, False)

    return property(get, doc=f"Whether {what}.")


for _name in Called._fields:
    setattr(IntegrateResult, _name, _of_call(_name))
for _name, _field, _what in (
    ("has_dark_correction", "dark", "a dark was subtracted"),
    ("has_flat_correction", "flat", "the signal was divided by a flat"),
    ("has_solidangle_correction", "solid_angle", "the signal was divided by the solid angle"),
):
    setattr(IntegrateResult, _name, _of_spec(_field, _what))


def errors_of(sums: Sums) -> tuple[F64 | None, F64 | None]:
    """Return the standard error of the mean and the standard deviation of a pixel."""
    if sums.variance is None:
        return None, None
    deviation, zero = np.sqrt(sums.variance), np.zeros(sums.signal.shape)
    scales = sums.normalization, np.sqrt(sums.normalization2)
    sem, std = (np.divide(deviation, scale, out=zero.copy(), where=scale > 0.0) for scale in scales)
    return sem, std
