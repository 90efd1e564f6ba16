"""Peaks of every voxel, fitted directly against the sinograms.

Reconstructing each channel and fitting the voxels' patterns afterwards fits the artefacts of reconstruction
too. The direct least-squares reconstruction (A. Vamvakeros et al., J. Appl. Cryst. 53 (2020) 1531,
doi:10.1107/S1600576720013576) looks instead for the peaks whose projections are nearest to what was measured,
in units of its errors. Rays that are missing are simply not compared.

The parallax of thick samples, for which the authors made it, is not part of the model.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.kernels.profiles import pseudo_voigt
from aureole.threads import checked_threads
from aureole.tomo.beam import ParallelBeam
from aureole.tomo.rays import LANES, Lanes, Rays

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxelPeaks:
    """Peaks on a straight background in every pixel of a slice.

    Attributes
    ----------
    position, fwhm : array_like, shape (peaks, size, size)
        In the unit of the radial axis.
    area : array_like, shape (peaks, size, size)
        Per step of the translation; intensity times the unit of the radial axis.
    background, slope : array_like, shape (size, size)
        In the middle of the window, and per unit of the radial axis; per step of the translation.
    """

    position: ArrayLike
    fwhm: ArrayLike
    area: ArrayLike
    background: ArrayLike
    slope: ArrayLike


class DirectFit(NamedTuple):
    """What a direct reconstruction found.

    Attributes
    ----------
    peaks : VoxelPeaks
        Arrays of float64. NaN in position and width where there is no area, and in all where not all angles
        saw the sample.
    chi2 : float
        Sum of squared deviations from the sinograms over sigma.
    values : int
        How many values of the sinograms were compared.
    iterations : int
        How many were done.
    converged : bool
        Whether they ended because there was no more to gain.
    """

    peaks: VoxelPeaks
    chi2: float
    values: int
    iterations: int
    converged: bool


class DirectLeastSquares:
    """The direct reconstruction of one scan, in a window of channels.

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays ran.
    radial : array_like, shape (bins,)
        The channels of the window, rising.
    mixture : float
        The Lorentzian's share of a peak's area, which is not fitted: 0 is a Gaussian, 1 a Lorentzian.
    roughness : float or None
        By how much positions and widths of neighbouring voxels usually differ, in the unit of the radial
        axis. Larger differences are paid for as if they were improbable, very large ones (borders) little
        more (pseudo-Huber: P. Charbonnier et al., IEEE Trans. Image Process. 6 (1997) 298,
        doi:10.1109/83.551699). It needs sigmas to weigh against. With None, noise in positions grows with
        the iterations; that in areas does in either case.

    Raises
    ------
    SpecError
        A radial axis that does not rise, a mixture outside 0 to 1, a roughness that is not positive.
    """

    def __init__(
        self,
        beam: ParallelBeam,
        radial: ArrayLike,
        *,
        mixture: float = 0.0,
        roughness: float | None,
    ) -> None:
        x = np.array(radial, np.float64)
        if x.ndim != 1 or len(x) < 2 or not np.isfinite(x).all() or not (np.diff(x) > 0).all():
            raise SpecError("the radial axis does not rise from bin to bin")
        if not 0 <= mixture <= 1:
            raise SpecError(f"a mixture of {mixture:g}; 0 is a Gaussian, 1 a Lorentzian")
        if roughness is not None and not 0 < roughness < np.inf:
            raise SpecError(f"a roughness of {roughness:g}; it must be positive")
        self.beam, self.mixture, self.roughness = beam, mixture, roughness
        self.middle = (x[0] + x[-1]) / 2
        self.offset = x - self.middle

    def fit(
        self,
        sinograms: ArrayLike,
        start: VoxelPeaks,
        *,
        sigma: ArrayLike | None = None,
        iterations: int = 50,
        threads: int | None = None,
    ) -> DirectFit:
        """Return the peaks whose projections are nearest to the sinograms.

        By a bounded quasi-Newton method (R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, SIAM J. Sci. Comput. 16
        (1995) 1190) with the exact gradient: the adjoint projector spreads the weighted residuals. Areas
        cannot be negative, positions stay in the window, and widths between one bin and the window.

        Parameters
        ----------
        sinograms : array_like, shape (bins, angles, translations)
            Line integrals; NaN where there is no value.
        start : VoxelPeaks
            Where to begin, such as fits of reconstructed patterns. Where it is NaN peaks begin with no area,
            and the usual position and width.
        sigma : array_like, shape of the sinograms, optional
            Standard uncertainties; zero or NaN leaves a value out. All values weigh the same without it.
        iterations : int
            How many at most.
        threads : int, optional
            All cores without it. It does not change a bit of the result.

        Raises
        ------
        SpecError
            Shapes that do not fit, a negative sigma, no values, a start without any position and width, a
            roughness without sigma, no iterations.
        """
        from scipy.optimize import minimize

        if iterations < 1:
            raise SpecError(f"{iterations} iterations")
        if sigma is None and self.roughness is not None:
            raise SpecError("a roughness needs sigmas of the sinograms to weigh against")
        values, weights = self._checked(sinograms, sigma)
        maps = self._stacked(start)
        low, high = self._bounds(maps)
        maps = np.clip(maps, low, high)
        scale, seen = self._scale(maps), self.beam.seen
        misfit = _Misfit(self, values, weights)
        with ThreadPoolExecutor(checked_threads(threads)) as pool:

            def objective(vector: F64) -> tuple[float, F64]:
                tried = maps.copy()
                tried[:, seen] = vector.reshape(len(maps), -1) * scale
                chi2, gradient = misfit.of(tried, pool)
                if self.roughness is not None:
                    cost, more = _rough(tried, seen, self.roughness)
                    chi2, gradient = chi2 + cost, gradient + more
                return chi2 / 2, (gradient[:, seen] * scale).ravel() / 2

            limits = [(edge[:, seen] / scale).ravel() for edge in (low, high)]
            found = minimize(
                objective,
                np.clip((maps[:, seen] / scale).ravel(), *limits),
                jac=True,
                method="L-BFGS-B",
                bounds=np.stack(limits, axis=1),
                options={"maxiter": iterations, "maxfun": 2 * iterations + 20, "maxcor": 20, "ftol": 1e-6},
            )
            maps[:, seen] = found.x.reshape(len(maps), -1) * scale
            chi2, _ = misfit.of(maps, pool)
        return DirectFit(
            self._named(maps), chi2, int(np.count_nonzero(weights)), int(found.nit), bool(found.success)
        )

    def _checked(
        self, sinograms: ArrayLike, sigma: ArrayLike | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return values and their weights with channels last; zero where there is no value."""
        values, wanted = np.asarray(sinograms, np.float32), (len(self.offset), *self.beam.shape)
        if values.shape != wanted:
            raise SpecError(f"sinograms of shape {values.shape}; wanted is {wanted}")
        errors = np.ones(wanted, np.float32) if sigma is None else np.asarray(sigma, np.float32)
        if errors.shape != wanted:
            raise SpecError(f"sigma of shape {errors.shape} does not fit sinograms of shape {wanted}")
        if (errors < 0).any():
            raise SpecError("a sigma is negative")
        there = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
        if not there.any():
            raise SpecError("the sinograms have no value with a positive sigma")
        weights = there / np.square(np.where(there, errors, np.float32(1)))
        given = np.where(there, values, np.float32(0))
        return tuple(np.ascontiguousarray(np.moveaxis(part, 0, -1)) for part in (given, weights))  # type: ignore[return-value]

    def _stacked(self, start: VoxelPeaks) -> F64:
        """Return maps without NaN: of each peak position, width, area; then background and slope.

        Positions count from the middle of the window, where single precision is enough.
        """
        seen, size = self.beam.seen, self.beam.size
        peaks = [np.array(part, np.float64, ndmin=3) for part in (start.position, start.fwhm, start.area)]
        ground = [np.array(part, np.float64) for part in (start.background, start.slope)]
        if any(part.shape != (len(peaks[0]), size, size) for part in peaks) or any(
            part.shape != (size, size) for part in ground
        ):
            shapes = ", ".join(str(part.shape) for part in (*peaks, *ground))
            raise SpecError(f"maps to start from of shapes {shapes}; slices have {size} x {size} pixels")
        rows: list[F64] = []
        for position, fwhm, area in zip(*peaks, strict=True):
            known = np.isfinite(position) & np.isfinite(fwhm) & np.isfinite(area) & seen
            if not known.any():
                raise SpecError(f"peak {len(rows) // 3} has no position and width anywhere to start from")
            rows.append(np.where(known, position, np.median(position[known])) - self.middle)
            rows.append(np.where(known, fwhm, np.median(fwhm[known])))
            rows.append(np.where(known, area, 0.0))
        rows += [np.where(seen & np.isfinite(part), part, 0.0) for part in ground]
        return np.array(rows)

    def _named(self, maps: F64) -> VoxelPeaks:
        maps = np.where(self.beam.seen, maps, np.nan)
        position, fwhm, area = (maps[kind:-2:3] for kind in range(3))
        there = area > 0
        return VoxelPeaks(
            position=np.where(there, position + self.middle, np.nan),
            fwhm=np.where(there, fwhm, np.nan),
            area=area,
            background=maps[-2],
            slope=maps[-1],
        )

    def _bounds(self, maps: F64) -> tuple[F64, F64]:
        low, high = np.full(maps.shape, -np.inf), np.full(maps.shape, np.inf)
        span = float(np.ptp(self.offset))
        low[0:-2:3], high[0:-2:3] = -span / 2, span / 2
        low[1:-2:3], high[1:-2:3] = span / (len(self.offset) - 1), span
        low[2:-2:3] = 0.0
        return low, high

    def _scale(self, maps: F64) -> F64:
        """Return units in which χ² is about as steep in maps of all kinds, (maps, 1)."""
        wide, span = float(np.median(maps[1])), float(np.ptp(self.offset))
        areas = maps[2:-2:3][maps[2:-2:3] > 0]
        level = float(np.median(areas)) if areas.size else 1.0
        peaks = [wide, wide, level] * (len(maps) // 3)
        return np.array([*peaks, level / wide, level / wide / span])[:, None]


class _Misfit:
    """How far the projections of maps are from sinograms, channels last."""

    def __init__(
        self, plan: DirectLeastSquares, values: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> None:
        self._rays, self._mixture = Rays(plan.beam), plan.mixture
        self._x = plan.offset.astype(np.float32)
        self._values, self._weights = values, weights

    def of(self, maps: F64, pool: ThreadPoolExecutor) -> tuple[float, F64]:
        """Return χ² and its gradient with respect to the maps."""
        parts = [slice(first, first + LANES) for first in range(0, len(self._x), LANES)]
        done = list(pool.map(lambda part: self._of_some(maps, part), parts))
        gradient: F64 = np.sum([part for _, part in done], axis=0)
        return float(np.sum([chi2 for chi2, _ in done])), gradient

    def _of_some(self, maps: F64, part: slice) -> tuple[float, F64]:
        """Return what some channels contribute."""
        x = self._x[part]
        *peaks, background, slope = maps.astype(np.float32)[..., None]
        lanes: Lanes = np.zeros((*maps.shape[1:], LANES), np.float32)
        model = lanes[..., : len(x)]
        model += background + slope * x
        each = list(zip(peaks[0::3], peaks[1::3], peaks[2::3], strict=True))
        profiles = [pseudo_voigt(x, position, fwhm, self._mixture) for position, fwhm, _ in each]
        for (_, _, area), profile in zip(each, profiles, strict=True):
            model += area * profile.value
        projected = self._rays.forward(lanes)
        residual = projected[..., : len(x)] - self._values[..., part]
        projected[..., : len(x)] = residual * self._weights[..., part]
        chi2 = float(np.sum(residual * projected[..., : len(x)], dtype=np.float64))
        back = 2 * self._rays.adjoint(projected)[..., : len(x)]
        rows = []
        for (_, _, area), profile in zip(each, profiles, strict=True):
            factors = (area * profile.by_position, area * profile.by_fwhm, profile.value)
            rows += [np.sum(back * factor, axis=-1) for factor in factors]
        rows += [np.sum(back, axis=-1), np.sum(back * x, axis=-1)]
        return chi2, np.array(rows, np.float64)


def _rough(maps: F64, seen: NDArray[np.bool_], usual: float) -> tuple[float, F64]:
    """Return the cost of differences between neighbours, and its gradient: d²/usual² while they are small."""
    cost, gradient = 0.0, np.zeros(maps.shape)
    kinds = [row for row in range(len(maps) - 2) if row % 3 < 2]
    for one, other in (
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:, :-1], np.s_[:, 1:]),
    ):
        both = seen[one] & seen[other]
        for row in kinds:
            apart = np.where(both, maps[row][other] - maps[row][one], 0.0) / usual
            length = np.sqrt(1.0 + np.square(apart))
            cost += float(2.0 * np.sum(length - 1.0))
            pull = 2.0 * apart / length / usual
            gradient[row][other] += pull
            gradient[row][one] -= pull
    return cost, gradient
