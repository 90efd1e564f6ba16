"""Results as pyFAI's scripts take them: tuples, with more to say by attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Cake, IntegrationSpec, MultiSpec, Pattern, Result
from aureole.units import Unit, unit

F64 = NDArray[np.float64]


class Called(NamedTuple):
    """How an integration was called, as far as results tell of it."""

    method: object
    polarization_factor: float | None
    normalization_factor: float
    metadata: object
    percentile: object = None


@dataclass(frozen=True, eq=False)
class _Sums:
    """What results tell beside intensity and errors; all arrays have the shape of the bins."""

    result: Result
    called: Called
    empty: float

    def filled(self, values: F64 | None) -> F64 | None:
        """Return values with the empty bins as the caller wants them; None stays None."""
        return None if values is None else np.where(self.result.count > 0, values, self.empty)


class IntegrateResult(tuple[Any, ...]):
    """Base of the two kinds of results.

    Attributes
    ----------
    sum_signal, sum_normalization, sum_normalization2, sum_variance, count : ndarray
        The sums behind the intensities; no variance without an error model. The count is that of
        the pixels which have a share in a bin.
    sem, std : ndarray or None
        Standard error of the mean, and standard deviation of a pixel.
    """

    _sums: _Sums

    @classmethod
    def _made(cls, values: tuple[Any, ...], sums: _Sums) -> Self:
        made = cls(value for value in values if value is not None)
        made._sums = sums
        return made

    @property
    def _first_spec(self) -> IntegrationSpec:
        spec = self._sums.result.spec
        return spec.specs[0] if isinstance(spec, MultiSpec) else spec

    @property
    def sum_signal(self) -> F64:
        """Σc·signal."""
        return self._sums.result.sum_signal

    @property
    def sum_normalization(self) -> F64:
        """Σc·norm."""
        return self._sums.result.sum_normalization

    @property
    def sum_normalization2(self) -> F64:
        """Σ(c·norm)²."""
        return self._sums.result.sum_normalization2

    @property
    def sum_variance(self) -> F64 | None:
        """Σc²·variance."""
        return self._sums.result.sum_variance

    @property
    def count(self) -> NDArray[np.int64]:  # type: ignore[override]
        """Number of pixels that have a share in each bin."""
        return self._sums.result.count

    @property
    def sem(self) -> F64 | None:
        """Standard error of the mean; None without an error model."""
        return self._sums.filled(self._sums.result.sigma)

    @property
    def std(self) -> F64 | None:
        """Standard deviation of a pixel's intensity; None without an error model."""
        return self._sums.filled(self._sums.result.std)

    @property
    def has_mask_applied(self) -> bool:
        """Whether a mask was given, or the detector has one."""
        spec = self._first_spec
        return spec.mask is not None or spec.detector_mask

    @property
    def has_dark_correction(self) -> bool:
        """Whether a dark was subtracted."""
        return self._first_spec.dark is not None

    @property
    def has_flat_correction(self) -> bool:
        """Whether the signal was divided by a flat."""
        return self._first_spec.flat is not None

    @property
    def has_solidangle_correction(self) -> bool:
        """Whether the signal was divided by the solid angle."""
        return self._first_spec.solid_angle

    @property
    def polarization_factor(self) -> float | None:
        """As the call had it."""
        return self._sums.called.polarization_factor

    @property
    def normalization_factor(self) -> float:
        """As the call had it."""
        return self._sums.called.normalization_factor

    @property
    def metadata(self) -> Any:
        """As the call had it."""
        return self._sums.called.metadata

    @property
    def percentile(self) -> Any:
        """As the call had it."""
        return self._sums.called.percentile

    @property
    def method(self) -> Any:
        """As the call had it."""
        return self._sums.called.method

    @property
    def error_model(self) -> str | None:
        """Aureole's name of the error model."""
        return self._sums.result.spec.error_model

    @property
    def compute_engine(self) -> str:
        """What made the sums."""
        return f"aureole {self._sums.result.bins.backend}"


class Integrate1dResult(IntegrateResult):
    """``radial, intensity = result``, or ``radial, intensity, sigma = result`` with an error model."""

    @classmethod
    def of(cls, found: Pattern, called: Called, *, empty: float) -> Integrate1dResult:
        """Return the result of a pattern."""
        sums = _Sums(found, called, empty)
        along = found.radial if found.radial is not None else found.azimuthal
        return cls._made((along, sums.filled(found.intensity), sums.filled(found.sigma)), sums)

    @property
    def radial(self) -> F64:
        """Centres of the bins."""
        return self[0]  # type: ignore[no-any-return]

    @property
    def intensity(self) -> F64:
        """Mean corrected signal of each bin."""
        return self[1]  # type: ignore[no-any-return]

    @property
    def sigma(self) -> F64 | None:
        """Its error; None without an error model."""
        return self[2] if len(self) == 3 else None

    @property
    def unit(self) -> Unit:
        """The unit of the bins."""
        spec = self._sums.result.spec
        axis = spec.radial if spec.radial is not None and spec.radial.bins else spec.azimuthal
        assert axis is not None
        return unit(axis.unit)


class Integrate2dResult(IntegrateResult):
    """``intensity, radial, azimuthal = result``, or with sigma at the end where there is an error model."""

    @classmethod
    def of(cls, found: Cake, called: Called, *, empty: float) -> Integrate2dResult:
        """Return the result of a cake."""
        sums = _Sums(found, called, empty)
        values = sums.filled(found.intensity), found.radial, found.azimuthal, sums.filled(found.sigma)
        return cls._made(values, sums)

    @property
    def intensity(self) -> F64:
        """Mean corrected signal, (azimuthal, radial)."""
        return self[0]  # type: ignore[no-any-return]

    @property
    def radial(self) -> F64:
        """Centres of the radial bins."""
        return self[1]  # type: ignore[no-any-return]

    @property
    def azimuthal(self) -> F64:
        """Centres of the azimuthal bins."""
        return self[2]  # type: ignore[no-any-return]

    @property
    def sigma(self) -> F64 | None:
        """The error of the intensity; None without an error model."""
        return self[3] if len(self) == 4 else None

    @property
    def radial_unit(self) -> Unit:
        """The unit of the radial bins."""
        axis = self._sums.result.spec.radial
        assert axis is not None
        return unit(axis.unit)

    unit = radial_unit

    @property
    def azimuthal_unit(self) -> Unit:
        """The unit of the azimuthal bins."""
        axis = self._sums.result.spec.azimuthal
        assert axis is not None
        return unit(axis.unit)
