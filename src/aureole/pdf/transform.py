"""The plan: made once of a spec and of where the patterns have their points, then applied to any number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.pdf.composition import Composition
from aureole.pdf.operators import F64, OddPolynomials, below_first, lorch, sine_transform, trapezoid
from aureole.pdf.scaling import Fit, Least, LowR, Scaling
from aureole.pdf.scattering import averages, polarization, recoil
from aureole.pdf.spec import PDFSpec

_LEAST_POINTS = 10
_POINTS_A_POWER = 5
_NORM_STEPS = 50
_KEPT_BYTES = 256 << 20
_BLOCK_ROWS = 512
_DOUBTFUL = 0.2


@dataclass(frozen=True, slots=True)
class PDF:
    """Pair distribution functions.

    Attributes
    ----------
    r : ndarray, shape (nr,)
        In Å.
    g : ndarray, shape (..., nr)
        G(r) in 1/Å². NaN where a pattern has bins without a value in the range that is used, or where its
        scale is not above zero or has an error above 20 %.
    sigma : ndarray, shape (..., nr), or None
        Standard error of each; None without variances.
    scale : ndarray, shape (...)
        What intensities were multiplied with, to electron units for each atom.
    fluorescence : ndarray, shape (...)
        The constant that was subtracted, in electron units.
    """

    r: F64
    g: F64
    sigma: F64 | None
    scale: F64
    fluorescence: F64


@dataclass(frozen=True, slots=True)
class Stages:
    """The way of one pattern, on the points that were used: I(q) without background, S(q) and F(q).

    Attributes
    ----------
    q, i, s, f : ndarray, shape (nq,)
    i_sigma, s_sigma, f_sigma : ndarray, shape (nq,), or None
    """

    q: F64
    i: F64
    s: F64
    f: F64
    i_sigma: F64 | None
    s_sigma: F64 | None
    f_sigma: F64 | None


class _Rows(NamedTuple):
    """Some results, linear in intensities but for two numbers: (matrix @ x - c2 * offset) / c1 - fixed."""

    matrix: F64
    offset: F64
    fixed: F64


class PDFTransform:
    """Turns patterns on one grid of q into pair distribution functions.

    Parameters
    ----------
    spec : PDFSpec
    q : array_like, shape (n,)
        Where the patterns have their points, in 1/Å; it rises. Steps need not be equal.
    background : array_like, shape (n,), optional
        Subtracted from each pattern, times ``spec.background_scale``.
    background_variance : array_like, shape (n,), optional

    Attributes
    ----------
    spec : PDFSpec
    r : ndarray, shape (nr,)
    q : ndarray
        The points that are used, from qmin to qmaxinst.
    limits : dict of str to float
        ``qmin``, ``qmax`` and ``qmaxinst`` as they are used, where the spec leaves them to the data.

    Raises
    ------
    SpecError
        The ranges of the spec are not within `q`, or arrays do not fit each other.

    Notes
    -----
    Sums are taken on the points as they are, by the trapezoidal rule, without interpolation: so the errors of
    points stay independent, and those of G(r) are exact to first order, the fits of scale and polynomial
    included.
    """

    def __init__(
        self,
        spec: PDFSpec,
        q: ArrayLike,
        background: ArrayLike | None = None,
        *,
        background_variance: ArrayLike | None = None,
    ) -> None:
        points = _checked_points(q)
        qmin, qmax, qmaxinst = _ranges(spec, points)
        if spec.wavelength is not None and qmaxinst > 4e-10 * np.pi / spec.wavelength:
            raise SpecError(
                f"q of {qmaxinst:.4g} 1/Å is beyond backscattering at {spec.wavelength * 1e10:.4g} Å: check "
                "the unit of the positions and the wavelength"
            )
        used = (points >= qmin - 1e-9) & (points <= qmaxinst + 1e-9)
        self.spec, self.r, self.q = spec, spec.r, points[used]
        self.limits = {"qmin": qmin, "qmax": qmax, "qmaxinst": qmaxinst}
        self._size, self._used = len(points), used
        inside = self.q <= qmax + 1e-9
        if np.count_nonzero(inside) < _LEAST_POINTS:
            raise SpecError(
                f"only {np.count_nonzero(inside)} points lie between qmin {qmin:g} and qmax {qmax:g}"
            )
        self._inside = inside
        self._background = self._own("background", background, spec.background_scale)
        self._background_variance = self._own(
            "background_variance", background_variance, spec.background_scale**2
        )
        self._compile(qmax)

    def _own(self, name: str, given: ArrayLike | None, factor: float) -> F64 | None:
        if given is None:
            return None
        values = np.asarray(given, np.float64)
        if values.shape != (self._size,):
            raise SpecError(f"{name} has shape {values.shape}, the patterns have {self._size} points")
        values = factor * values[self._used]
        if not np.isfinite(values).all():
            missing = self.q[~np.isfinite(values)][0]
            raise SpecError(f"{name} has no value at q = {missing:.4g} 1/Å, between qmin and qmaxinst")
        return values

    def _compile(self, qmax: float) -> None:
        spec, q = self.spec, self.q
        physical = spec.mode == "physical"
        f, f2, compton = averages(Composition.parse(spec.composition), q)
        polarized = np.ones_like(q)
        expected = f2
        if physical and spec.wavelength is not None:
            expected = f2 + compton * recoil(q, spec.wavelength, spec.recoil_power)
            if spec.polarization_factor is not None:
                polarized = polarization(q, spec.wavelength, spec.polarization_factor)
        weights = trapezoid(q)
        self._polynomials = OddPolynomials(q, weights, self._degree())
        self._to_f = q / f**2
        self._from_x = self._to_f / polarized
        self._extended = physical
        plain = np.zeros_like(q)
        plain[self._inside] = trapezoid(q[self._inside])
        smooth = plain * lorch(q, qmax)
        self._weights = smooth if spec.window == "lorch" else plain
        self._scaling = self._low_r(smooth, expected) if physical else Least(f**-2, weights, f2 / f**2)
        constant = 0.0 if isinstance(spec.fluorescence, str) else spec.fluorescence
        self._expected = expected + constant / polarized
        small = len(self.r) * len(q) * 8 <= _KEPT_BYTES
        self._kept = list(self._blocks()) if small else None

    def _degree(self) -> float:
        degree = float(self.spec.rpoly or 0.0) * float(self.q[-1] - self.q[0]) / np.pi
        if degree > len(self.q) / _POINTS_A_POWER:
            raise SpecError(
                f"rpoly is {self.spec.rpoly:g}: that is a polynomial of degree {degree:.0f} for "
                f"{len(self.q)} points"
            )
        return degree

    def _low_r(self, smooth: F64, expected: F64) -> Scaling:
        r = self.spec.rnorm * np.linspace(1.0 / _NORM_STEPS, 1.0, _NORM_STEPS)
        matrix = self._sines(r, smooth)
        return LowR(
            matrix * self._from_x,
            matrix @ (self._to_f * expected) - 4.0 * np.pi * self.spec.density * r,
            matrix @ self._from_x,
            self.spec.fluorescence,
        )

    def _sines(self, r: F64, weights: F64) -> F64:
        """Return the matrix (nr, nq) from F to G."""
        matrix = sine_transform(self.q, r, weights)
        if self._extended:
            matrix[:, 0] += below_first(float(self.q[0]), r)
        return matrix

    def _rows(self, rows: F64) -> _Rows:
        """Return what row vectors that act on F, shape (k, nq), make of intensities."""
        rows = self._polynomials.removed(rows)
        return _Rows(rows * self._from_x, rows @ self._from_x, rows @ (self._to_f * self._expected))

    def _blocks(self) -> Iterator[tuple[slice, _Rows]]:
        for start in range(0, len(self.r), _BLOCK_ROWS):
            part = slice(start, min(start + _BLOCK_ROWS, len(self.r)))
            yield part, self._rows(self._sines(self.r[part], self._weights))

    def __call__(self, intensity: ArrayLike, variance: ArrayLike | None = None) -> PDF:
        """Transform patterns.

        Parameters
        ----------
        intensity : array_like, shape (..., n)
        variance : array_like, shape (..., n), optional
            Of independent points.

        Raises
        ------
        SpecError
            The shapes do not fit.
        """
        x, v = self._taken(intensity, variance)
        shape = x.shape[:-1]
        x, v, fit = self._fitted(
            x.reshape(-1, len(self.q)), None if v is None else v.reshape(-1, len(self.q))
        )
        g = np.empty((len(x), len(self.r)))
        sigma = None if v is None else np.empty_like(g)
        for part, rows in self._kept if self._kept is not None else self._blocks():
            g[:, part], errors = _applied(rows, x, v, fit)
            if sigma is not None and errors is not None:
                sigma[:, part] = errors
        given = self.spec.fluorescence
        fluorescence = fit.c2 / fit.c1 if isinstance(given, str) else np.full_like(fit.c1, given)
        return PDF(
            self.r,
            g.reshape(*shape, len(self.r)),
            None if sigma is None else sigma.reshape(*shape, len(self.r)),
            (1.0 / fit.c1).reshape(shape),
            fluorescence.reshape(shape),
        )

    def complete(self, intensity: ArrayLike) -> NDArray[np.bool_]:
        """Return which patterns, shape (...), have values at all points that are used."""
        x, _ = self._taken(intensity, None)
        return np.asarray(np.isfinite(x).all(-1))

    def stages(self, intensity: ArrayLike, variance: ArrayLike | None = None) -> Stages:
        """Return what a pattern becomes on its way to G(r).

        Parameters
        ----------
        intensity : array_like, shape (n,)
        variance : array_like, shape (n,), optional

        Raises
        ------
        SpecError
            The shapes do not fit, or no scale can be found.
        """
        x, v, fit = self._single(intensity, variance)
        f = np.empty_like(self.q)
        sigma = np.empty_like(self.q)
        for start in range(0, len(self.q), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            rows = self._rows(np.eye(len(self.q))[part])
            f[part], errors = (None if each is None else each[0] for each in _applied(rows, x, v, fit))
            if errors is not None:
                sigma[part] = errors
        s = 1.0 + f / self.q
        if v is None:
            return Stages(self.q, x[0], s, f, None, None, None)
        return Stages(self.q, x[0], s, f, np.sqrt(v[0]), sigma / self.q, sigma)

    def covariance(self, intensity: ArrayLike, variance: ArrayLike) -> F64:
        """Return the covariance of G(r), shape (nr, nr), that independent points of a pattern have.

        Raises
        ------
        SpecError
            The shapes do not fit, or no scale can be found.
        """
        x, v, fit = self._single(intensity, variance)
        slopes = np.empty((len(self.r), len(self.q)))
        for part, rows in self._blocks():
            above = (x @ rows.matrix.T - fit.c2[:, None] * rows.offset)[0] / fit.c1
            slopes[part] = rows.matrix - np.outer(above, fit.d1[0])
            if fit.d2 is not None:
                slopes[part] -= np.outer(rows.offset, fit.d2[0])
        slopes /= fit.c1
        return np.asarray((slopes * np.asarray(v)) @ slopes.T)

    def _taken(self, intensity: ArrayLike, variance: ArrayLike | None) -> tuple[F64, F64 | None]:
        """Return the points that are used, less the background, and their variances."""
        x = np.asarray(intensity, np.float64)
        if x.ndim == 0 or x.shape[-1] != self._size:
            raise SpecError(f"patterns of shape {x.shape}, where q has {self._size} points")
        x = x[..., self._used]
        if self._background is not None:
            x = x - self._background
        if variance is None:
            return x, None
        v = np.asarray(variance, np.float64)
        if v.shape != (*x.shape[:-1], self._size):
            raise SpecError(
                f"variances of shape {v.shape} do not fit patterns of {(*x.shape[:-1], self._size)}"
            )
        v = v[..., self._used]
        return x, v if self._background_variance is None else v + self._background_variance

    def _fitted(self, x: F64, v: F64 | None) -> tuple[F64, F64 | None, Fit]:
        """Return patterns with their scale, NaN where there is none; ones stand for what is not finite."""
        valid = np.asarray(np.isfinite(x).all(axis=-1))
        if v is not None:
            valid &= (np.isfinite(v) & (v >= 0.0)).all(-1)
            v = np.where(valid[:, None], v, 0.0)
        x = np.where(valid[:, None], x, 1.0)
        fit = self._scaling(x)
        valid &= fit.c1 > 0.0
        if v is not None:
            with np.errstate(invalid="ignore"):
                valid &= np.sum(fit.d1**2 * v, -1) <= (_DOUBTFUL * fit.c1) ** 2
        return x, v, fit._replace(c1=np.where(valid, fit.c1, np.nan))

    def _single(self, intensity: ArrayLike, variance: ArrayLike | None) -> tuple[F64, F64 | None, Fit]:
        x, v = self._taken(intensity, variance)
        if x.ndim != 1:
            raise SpecError(f"one pattern is needed, not an array of shape {x.shape}")
        x, v, fit = self._fitted(x[None], None if v is None else v[None])
        if np.isnan(fit.c1[0]):
            raise SpecError(
                "no scale can be found: a value is missing, or there is too little above the background"
            )
        return x, v, fit


def _applied(rows: _Rows, x: F64, v: F64 | None, fit: Fit) -> tuple[F64, F64 | None]:
    """Return results of patterns, shape (patterns, k), and their errors to first order."""
    c1 = fit.c1[:, None]
    above = (x @ rows.matrix.T - fit.c2[:, None] * rows.offset) / c1
    if v is None:
        return above - rows.fixed, None
    first = v * fit.d1
    square = v @ np.square(rows.matrix).T - 2.0 * above * (first @ rows.matrix.T)
    square += above**2 * np.sum(first * fit.d1, -1)[:, None]
    if fit.d2 is not None:
        second = v * fit.d2
        square -= 2.0 * rows.offset * (second @ rows.matrix.T)
        square += rows.offset**2 * np.sum(second * fit.d2, -1)[:, None]
        square += 2.0 * rows.offset * above * np.sum(first * fit.d2, -1)[:, None]
    # Rounding leaves less than nothing where all cancels.
    return above - rows.fixed, np.sqrt(np.maximum(square, 0.0)) / c1


def _checked_points(q: ArrayLike) -> F64:
    points = np.asarray(q, np.float64)
    if points.ndim != 1 or len(points) < _LEAST_POINTS:
        raise SpecError(f"q has shape {points.shape}: a row of at least {_LEAST_POINTS} points is needed")
    if not np.isfinite(points).all():
        raise SpecError(f"q is not finite at point {int(np.flatnonzero(~np.isfinite(points))[0])}")
    falls = np.flatnonzero(np.diff(points) <= 0.0)
    if falls.size:
        raise SpecError(f"q does not rise at point {int(falls[0]) + 1}, from {points[falls[0]]:g} 1/Å on")
    if points[-1] <= 0.0:
        raise SpecError(f"q ends at {points[-1]:g} 1/Å: it must be above zero")
    return points


def _ranges(spec: PDFSpec, points: F64) -> tuple[float, float, float]:
    """Return qmin, qmax and qmaxinst: the data's where the spec has none, and at most half a step beyond."""
    first, last = float(points[points > 0.0][0]), float(points[-1])
    qmin = first if spec.qmin is None else spec.qmin
    qmax = last if spec.qmax is None else spec.qmax
    if spec.qmaxinst is not None:
        qmaxinst = spec.qmaxinst
        qmax = min(qmax, qmaxinst)
    else:
        qmaxinst = qmax if spec.mode == "physical" else last
    slack = 0.5 * (last - first) / len(points)
    if qmin < first - slack:
        raise SpecError(f"qmin is {qmin:g}, and the data begin at {first:.4g} 1/Å")
    for name, value in (("qmax", qmax), ("qmaxinst", qmaxinst)):
        if value > last + slack:
            raise SpecError(f"{name} is {value:g}, and the data end at {last:.4g} 1/Å")
    if qmin >= qmax:
        raise SpecError(f"qmin is {qmin:g}, and the data end at {qmax:.4g} 1/Å")
    return max(qmin, first), qmax, max(qmaxinst, qmax)
