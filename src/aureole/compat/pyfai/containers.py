"""Results as pyFAI's scripts take them: tuples, with more to say by attributes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.compat.pyfai.facts import Called, IntegrateResult, errors_of
from aureole.compat.pyfai.units import Unit
from aureole.errors import SpecError

__all__ = [
    "Called",
    "Integrate1dFiberResult",
    "Integrate1dResult",
    "Integrate2dFiberResult",
    "Integrate2dResult",
    "IntegrateResult",
    "SeparateResult",
]

F64 = NDArray[np.float64]


class Integrate1dResult(IntegrateResult):
    """``radial, intensity = result``, or ``radial, intensity, sigma = result`` with an error model."""

    @staticmethod
    def _order(intensity: F64 | None, axes: tuple[F64, ...], sigma: F64 | None) -> tuple[Any, ...]:
        return axes[0], intensity, sigma

    @property
    def radial(self) -> F64:
        """Centres of the bins."""
        return self[0]  # type: ignore[no-any-return]

    @property
    def intensity(self) -> F64:
        """Mean corrected signal of each bin."""
        return self[1]  # type: ignore[no-any-return]

    @property
    def unit(self) -> Unit:
        """The unit of the bins."""
        return self._facts.units[0]

    def calc_spottiness(self, weighted: bool = False) -> float:
        """Return √⟨(σ/I)²⟩ over the bins, which grows with the graininess of the sample.

        Raises
        ------
        SpecError
            The errors are not those from the scatter around the rings.
        """
        if self.error_model != "azimuthal" or self.sum_variance is None:
            raise SpecError('spottiness needs error_model="azimuthal"')
        weights = np.maximum(self.intensity, 0.0) if weighted else np.ones(self.intensity.shape)
        squares = self.sum_variance / np.square(np.maximum(self.sum_signal, 1.0))
        return float(np.sqrt(np.average(squares, weights=weights)))


class Integrate2dResult(IntegrateResult):
    """``intensity, radial, azimuthal = result``, or with sigma at the end where there is an error model."""

    @staticmethod
    def _order(intensity: F64 | None, axes: tuple[F64, ...], sigma: F64 | None) -> tuple[Any, ...]:
        return intensity, *axes, sigma

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
    def radial_unit(self) -> Unit:
        """The unit of the radial bins."""
        return self._facts.units[0]

    @property
    def azimuthal_unit(self) -> Unit:
        """The unit of the azimuthal bins."""
        return self._facts.units[1]

    @property
    def unit(self) -> tuple[Unit, Unit]:
        """The units of both."""
        return self.radial_unit, self.azimuthal_unit

    def rebin1d(self) -> Integrate1dResult:
        """Return the pattern of all azimuths together; variances add up."""
        sums = replace(self._facts.sums, weighted=None).apply(lambda part: part.sum(axis=0))
        facts = replace(self._facts, sums=sums, axes=self._facts.axes[:1], units=self._facts.units[:1])
        return Integrate1dResult._made(facts, *errors_of(sums))


class Integrate1dFiberResult(Integrate1dResult):
    """``integrated, intensity = result``, or with sigma at the end where there is an error model."""

    vertical_integration = True

    @property
    def integrated(self) -> F64:
        """Centres of the bins."""
        return self.radial


class Integrate2dFiberResult(Integrate2dResult):
    """``intensity, inplane, outofplane = result``, or with sigma at the end."""

    @property
    def inplane(self) -> F64:
        """Centres of the bins in the plane of the sample."""
        return self.radial

    @property
    def outofplane(self) -> F64:
        """Centres of the bins out of the plane of the sample."""
        return self.azimuthal

    @property
    def ip_unit(self) -> Unit:
        """The unit in the plane."""
        return self.radial_unit

    @property
    def oop_unit(self) -> Unit:
        """The unit out of the plane."""
        return self.azimuthal_unit

    def swapped(self) -> Integrate2dFiberResult:
        """Return the same with its axes the other way round."""
        facts = self._facts
        sums = facts.sums.apply(np.transpose)
        turned = replace(facts, sums=sums, axes=facts.axes[::-1], units=facts.units[::-1])
        return type(self)._made(turned, *errors_of(sums))


class SeparateResult(tuple[Any, ...]):
    """``bragg, amorphous = result``: two images, and by attributes the pattern behind the second one."""

    pattern: Integrate1dResult

    @classmethod
    def of(cls, bragg: F64, amorphous: F64, pattern: Integrate1dResult) -> SeparateResult:
        """Return the result."""
        made = cls((bragg, amorphous))
        made.pattern = pattern
        return made

    @property
    def bragg(self) -> F64:
        """What is above or below the amorphous part."""
        return self[0]  # type: ignore[no-any-return]

    @property
    def amorphous(self) -> F64:
        """The pattern, made an image."""
        return self[1]  # type: ignore[no-any-return]

    @property
    def shadow(self) -> F64:
        """How far pixels are below the amorphous part; 0 where they are not."""
        return np.maximum(-self.bragg, 0.0)

    def __getattr__(self, name: str) -> Any:
        if name == "pattern":
            raise AttributeError(name)
        return getattr(self.pattern, name)
