"""What is known before the first frame: values of pixels, and what they sum to in the bins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal.corrections import PixelFacts
from aureole.azimuthal.result import Sums
from aureole.kernels.registry import backend as find_backend
from aureole.kernels.robust import PixelRows
from aureole.kernels.sums import BatchSums, Projection

F64 = NDArray[np.float64]


class Values:
    """Values of all pixels, as rows that the kernels sum.

    Parameters
    ----------
    known : PixelFacts

    Attributes
    ----------
    norm : ndarray, shape (n_pixels,)
    dark, dark_variance : ndarray, shape (n_pixels,), or None
    linear, quadratic : ndarray, shape (rows, n_pixels)
        What is summed with c, norm and dark, and what with c²: the square of the norm, and the variance of
        the dark.
    """

    def __init__(self, known: PixelFacts) -> None:
        linear, quadratic = [known.norm.reshape(-1)], [np.square(known.norm.reshape(-1))]
        if known.dark is not None:
            linear.append(known.dark.reshape(-1))
        if known.dark_variance is not None:
            quadratic.append(known.dark_variance.reshape(-1))
        self.linear, self.quadratic = _stacked(linear), _stacked(quadratic)
        self.norm = self.linear[0]
        self.dark = None if known.dark is None else self.linear[1]
        self.dark_variance = None if known.dark_variance is None else self.quadratic[1]

    def for_robust(self) -> PixelRows:
        """Return them as the kernels of robust averages take them."""
        return PixelRows(self.norm, self.dark, self.dark_variance)


def _stacked(rows: list[F64]) -> F64:
    return np.array(rows) if len(rows) > 1 else rows[0].reshape(1, -1)


@dataclass(frozen=True, slots=True, eq=False)
class Static:
    """What a frame without invalid pixels sums to, whatever it shows; each of the shape of the bins.

    Attributes
    ----------
    count, norm, norm2 : ndarray
    dark, dark_variance : ndarray or None
    one_count : ndarray or None
        Σc²/Σc, where that is asked for.
    """

    count: NDArray[np.int64]
    norm: F64
    norm2: F64
    dark: F64 | None
    dark_variance: F64 | None
    one_count: F64 | None

    @classmethod
    def of(
        cls,
        values: Values,
        table: Any,
        backend: str,
        shape: tuple[int, ...],
        *,
        one_count: bool,
        threads: int,
    ) -> Static:
        """Sum the values of pixels over a table of a backend, into bins of a shape."""
        ones = [None] if one_count else []
        sums: Projection = find_backend("project", backend)(
            table, [*values.linear, *ones], [*values.quadratic, *ones], threads
        )
        count = sums.count.reshape(shape)
        linear, quadratic = (part.reshape(-1, *shape) for part in (sums.linear, sums.quadratic))
        of_one = None
        if one_count:
            of_one = np.divide(quadratic[-1], linear[-1], out=np.zeros(shape), where=count > 0)
        return cls(
            count,
            linear[0],
            quadratic[0],
            None if values.dark is None else linear[1],
            None if values.dark_variance is None else quadratic[1],
            of_one,
        )

    def digest(self, *places: F64 | None) -> str:
        """Return the SHA-256 of the places of the bins and of these sums, in hexadecimal."""
        parts = (*places, self.count, self.norm, self.norm2, self.dark, self.dark_variance)
        digest = hashlib.sha256()
        for part in parts:
            digest.update(b"-" if part is None else np.ascontiguousarray(part).data)
        return digest.hexdigest()

    def corrected(self, raw: BatchSums) -> Sums:
        """Return the sums of frames, with these less what invalid pixels took away from each."""
        rows = np.flatnonzero([failure is None for failure in raw.failures])
        touched = np.searchsorted(rows, raw.touched)
        bins = self.count.shape
        count = self.count - raw.lost_count.reshape(-1, *bins)

        def remaining(part: F64, lost: F64) -> F64:
            left = part - lost.reshape(-1, *bins)
            # The difference of two equal sums need not be zero to the last bit.
            left[count == 0] = 0.0
            return left

        def for_all(part: NDArray[Any], of_touched: NDArray[Any]) -> NDArray[Any]:
            every = np.broadcast_to(part, (len(rows), *bins))
            if touched.size:
                every = every.copy()
                every[touched] = of_touched
            return every

        def of_frames(part: F64) -> F64:
            return (part if len(rows) == len(part) else part[rows]).reshape(len(rows), *bins)

        signal = of_frames(raw.signal)
        if self.dark is not None:
            signal = signal - for_all(self.dark, remaining(self.dark, raw.lost_linear[:, 1]))
        dark_deviation = None
        if self.dark_variance is not None:
            left = remaining(self.dark_variance, raw.lost_quadratic[:, 1])
            dark_deviation = for_all(np.sqrt(self.dark_variance), np.sqrt(np.maximum(left, 0.0)))
        return Sums(
            signal=signal,
            normalization=for_all(self.norm, remaining(self.norm, raw.lost_linear[:, 0])),
            normalization2=for_all(self.norm2, remaining(self.norm2, raw.lost_quadratic[:, 0])),
            count=for_all(self.count, count),
            variance=None if raw.variance is None else of_frames(raw.variance),
            dark_deviation=dark_deviation,
        )
