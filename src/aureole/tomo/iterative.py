"""Iterative reconstruction: for few angles, missing wedges, and what is known of the sample.

All start from nothing but the sinograms, work on many channels at a time, and give the same bits whatever
the number of threads. Variances are not carried through: what noise does depends on the iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.tomo.beam import ParallelBeam
from aureole.tomo.rays import Blocks, Lanes, Rays, checked

_TINY = np.float32(1e-6)
"""Of the largest: weights below it belong to rays and pixels that nearly miss each other."""
_STRONGEST = 1e30
"""Far above any sinogram, and its square is what float64 still holds."""


def sirt(
    beam: ParallelBeam,
    sinograms: ArrayLike,
    iterations: int = 100,
    *,
    minimum: float | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Return slices by simultaneous iterative reconstruction.

    Each iteration projects what is there, and spreads what the sinograms differ by over the pixels of each
    ray (P. Gilbert, J. Theor. Biol. 36 (1972) 105, doi:10.1016/0022-5193(72)90180-4).

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays ran.
    sinograms : array_like, shape (..., angles, translations)
    iterations : int
        How many.
    minimum : float, optional
        Lower values are raised to it after each iteration.
    threads : int, optional
        All cores without it.

    Returns
    -------
    ndarray of float32, shape (..., size, size)

    Raises
    ------
    SpecError
        Sinograms of another shape or not finite; no iterations.
    """
    blocks = _blocks(beam, sinograms, iterations, threads)
    rays = Rays(beam, threads=blocks.inner)
    of_rays, of_pixels = _inverse(rays.forward(_ones(beam))), _inverse(rays.adjoint(_ones(beam, rays=True)))

    def solve(given: Lanes) -> Lanes:
        x: Lanes = _ones(beam) * np.zeros_like(given[0, 0])
        for _ in range(iterations):
            x += of_pixels * rays.adjoint(of_rays * (given - rays.forward(x)))
            if minimum is not None:
                np.maximum(x, np.float32(minimum), out=x)
        return x

    return _solved(beam, blocks, solve)


def cgls(
    beam: ParallelBeam, sinograms: ArrayLike, iterations: int = 20, *, threads: int | None = None
) -> NDArray[np.float32]:
    """Return slices by conjugate gradients on the normal equations.

    Few iterations are enough, and more of them fit the noise (M. R. Hestenes, E. Stiefel, J. Res. Natl. Bur.
    Stand. 49 (1952) 409, doi:10.6028/jres.049.044). Parameters, results and errors are those of `sirt`.
    """
    blocks = _blocks(beam, sinograms, iterations, threads)
    rays = Rays(beam, threads=blocks.inner)

    def solve(given: Lanes) -> Lanes:
        x: Lanes = _ones(beam) * np.zeros_like(given[0, 0])
        residual = given.copy()
        gradient = rays.adjoint(residual)
        direction, norm = gradient, _dot(gradient, gradient)
        for _ in range(iterations):
            projected = rays.forward(direction)
            step = _divide(norm, _dot(projected, projected))
            x += step * direction
            residual -= step * projected
            gradient = rays.adjoint(residual)
            before, norm = norm, _dot(gradient, gradient)
            direction = gradient + _divide(norm, before) * direction
        return x

    return _solved(beam, blocks, solve)


def osem(
    beam: ParallelBeam,
    sinograms: ArrayLike,
    iterations: int = 10,
    *,
    subsets: int = 8,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Return slices by ordered-subsets expectation maximisation, for counts: they never become negative.

    An iteration goes through all subsets, each of which has every `subsets`-th angle (H. M. Hudson,
    R. S. Larkin, IEEE Trans. Med. Imaging 13 (1994) 601, doi:10.1109/42.363108). Parameters, results and
    errors are those of `sirt`; negative values of the sinograms count as zero.
    """
    if not 1 <= subsets <= beam.shape[0]:
        raise SpecError(f"{subsets} subsets of {beam.shape[0]} angles")
    blocks = _blocks(beam, sinograms, iterations, threads)
    parts = [Rays(beam, slice(first, None, subsets), threads=blocks.inner) for first in range(subsets)]
    weights = [_inverse(part.adjoint(_ones(beam, rays=True)[part.angles])) for part in parts]

    def solve(given: Lanes) -> Lanes:
        counts = np.maximum(given, np.float32(0))
        x: Lanes = _ones(beam) * np.ones_like(given[0, 0])
        for _ in range(iterations):
            for part, weight in zip(parts, weights, strict=True):
                x *= weight * part.adjoint(_divide(counts[part.angles], part.forward(x)))
        return x

    return _solved(beam, blocks, solve)


mlem = partial(osem, subsets=1)
"""Maximum-likelihood expectation maximisation: `osem` with all angles at once (L. A. Shepp, Y. Vardi, IEEE
Trans. Med. Imaging 1 (1982) 113, doi:10.1109/TMI.1982.4307558)."""


def total_variation(
    beam: ParallelBeam,
    sinograms: ArrayLike,
    strength: float,
    iterations: int = 200,
    *,
    minimum: float | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Return the slices x that minimise 1/2 |A x - sinogram|² + strength · TV(x).

    The total variation TV sums the gradient's length over the pixels; little of it means flat regions with
    sharp borders. By the primal-dual algorithm (A. Chambolle, T. Pock, J. Math. Imaging Vis. 40 (2011) 120,
    doi:10.1007/s10851-010-0251-1; for tomography: E. Y. Sidky, J. H. Jørgensen, X. Pan, Phys. Med. Biol. 57
    (2012) 3065, doi:10.1088/0031-9155/57/10/3065).

    Parameters
    ----------
    strength : float
        In units of the sinogram times a step. Zero is a least-squares fit.
    beam, sinograms, iterations, minimum, threads
        As for `sirt`.

    Returns
    -------
    ndarray of float32, shape (..., size, size)

    Raises
    ------
    SpecError
        As `sirt` and `check_strength`.
    """
    check_strength(strength)
    blocks = _blocks(beam, sinograms, iterations, threads)
    rays = Rays(beam, threads=blocks.inner)
    scale = np.float32(_norm(rays) / np.sqrt(8))  # so that gradient and projector weigh alike
    bound, step = np.float32(strength / scale), np.float32(0.99 / (np.sqrt(16) * scale))

    def solve(given: Lanes) -> Lanes:
        x: Lanes = _ones(beam) * np.zeros_like(given[0, 0])
        ahead = x
        fit: Lanes = np.zeros_like(given)
        rise: Lanes = np.zeros((2, *x.shape), np.float32)
        for _ in range(iterations):
            fit += step * (rays.forward(ahead) - given)
            fit /= 1 + step
            rise += step * scale * _gradient(ahead)
            length = np.sqrt(rise[0] ** 2 + rise[1] ** 2)
            rise *= bound / np.maximum(bound, length) if strength else np.float32(0)
            ahead = -x
            x -= step * (rays.adjoint(fit) + scale * _gradient_adjoint(rise))
            if minimum is not None:
                np.maximum(x, np.float32(minimum), out=x)
            ahead += 2 * x
        return x

    return _solved(beam, blocks, solve)


def check_strength(strength: float) -> None:
    """Raise `SpecError` if a strength of the total variation is below zero, or more than float32 can hold."""
    if not 0 <= strength <= _STRONGEST:
        raise SpecError(
            f"a strength of {strength:g} of the total variation: it must be from 0 to {_STRONGEST:g}"
        )


def _blocks(beam: ParallelBeam, sinograms: ArrayLike, iterations: int, threads: int | None) -> Blocks:
    if iterations < 1:
        raise SpecError(f"{iterations} iterations")
    return Blocks(checked(sinograms, beam.shape, "sinograms"), threads)


def _solved(beam: ParallelBeam, blocks: Blocks, solve: Callable[[Lanes], Lanes]) -> NDArray[np.float32]:
    seen = beam.seen[..., None]
    return blocks.each(lambda lanes: solve(lanes) * seen, (beam.size, beam.size))


def _ones(beam: ParallelBeam, *, rays: bool = False) -> Lanes:
    """Return one channel of ones, which goes with any number of lanes."""
    return np.ones((*(beam.shape if rays else (beam.size, beam.size)), 1), np.float32)


def _inverse(weights: Lanes) -> Lanes:
    return np.where(
        weights > _TINY * weights.max(), 1 / np.maximum(weights, np.float32(1e-30)), np.float32(0)
    )


def _divide(a: Lanes, b: Lanes) -> Lanes:
    """Return a / b, zero where b is."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _dot(a: Lanes, b: Lanes) -> Lanes:
    """Return the inner product of each channel, (lanes,); its bits do not depend on how many there are."""
    products = [
        np.multiply(a[..., k], b[..., k], order="C", dtype=np.float64).sum() for k in range(a.shape[-1])
    ]
    return np.array(products, np.float32)


def _norm(rays: Rays) -> float:
    """Return the largest singular value of the projector."""
    x = _ones(rays.beam)
    for _ in range(12):
        x = rays.adjoint(rays.forward(x))
        x /= np.sqrt(_dot(x, x))
    y = rays.forward(x)
    return float(np.sqrt(_dot(y, y)[0]))


def _gradient(x: Lanes) -> Lanes:
    """Return the differences to the next row and column, zero at the end, (2, size, size, LANES)."""
    out = np.zeros((2, *x.shape), np.float32)
    np.subtract(x[1:], x[:-1], out=out[0, :-1])
    np.subtract(x[:, 1:], x[:, :-1], out=out[1, :, :-1])
    return out


def _gradient_adjoint(g: Lanes) -> Lanes:
    out = np.zeros(g.shape[1:], np.float32)
    out[:-1] -= g[0, :-1]
    out[1:] += g[0, :-1]
    out[:, :-1] -= g[1, :, :-1]
    out[:, 1:] += g[1, :, :-1]
    return out
