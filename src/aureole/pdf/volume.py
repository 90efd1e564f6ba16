"""G(r) at all places of a tomogram (PDF-CT), a map or a series, a block of patterns at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import InputError
from aureole.io.grids import GridAxis
from aureole.io.pdf_results import PDFWriter
from aureole.io.results import StoredResult, is_result, read_result
from aureole.io.scan_results import is_scan_result, read_scan_result
from aureole.io.stored import StoredAxis
from aureole.pdf.patterns import Pattern, momentum
from aureole.pdf.spec import PDFSpec
from aureole.pdf.transform import PDFTransform

F64 = NDArray[np.float64]
Place = tuple[int | slice, ...]
Blocks = Iterator[tuple[Place, F64, F64 | None]]

_BLOCK_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class PDFReport:
    """How it went.

    Attributes
    ----------
    shape : tuple of int
        Of the places.
    scaled : int
        How many of them have a G(r).
    incomplete : int
        How many have none since bins between qmin and qmaxinst lack a value; the others lack a scale.
    spec : PDFSpec
        As it was used, with the wavelength of the file.
    """

    shape: tuple[int, ...]
    scaled: int
    incomplete: int
    spec: PDFSpec


class _Opened(NamedTuple):
    """Patterns of a file: places and radial axis, wavelength, whether there are errors, how to read them."""

    axes: tuple[GridAxis, ...]
    radial: StoredAxis
    wavelength: float | None
    sigma: bool
    blocks: Callable[[], Blocks]


def pdf_of_results(
    source: str | Path,
    output: str | Path,
    spec: PDFSpec,
    *,
    background: Callable[[PDFSpec, F64], Pattern] | None = None,
    facts: dict[str, str] | None = None,
    overwrite: bool = False,
) -> PDFReport:
    """Transform all patterns of a file of Aureole.

    Parameters
    ----------
    source : path
        A result of `aureole integrate`, `aureole map` or `aureole xrdct`.
    output : path
        HDF5 file to write: whole, or not at all.
    spec : PDFSpec
        Its wavelength is taken from the file where it has none.
    background : callable, optional
        Given the spec and q, returns the pattern to subtract from each.
    facts : dict of str to str, optional
        More to write into the file on how it was made.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        The file is no such result, or not one of its patterns has a G(r).
    OutputError
        The output exists or cannot be written.
    """
    with _open(source) as opened:
        spec = replace(spec, wavelength=spec.wavelength or opened.wavelength)
        part = _with_values(source, opened.blocks())
        q = momentum(opened.radial.centres, opened.radial.unit, spec.wavelength)[part]
        given = None if background is None else background(spec, q)
        plan = (
            PDFTransform(spec, q)
            if given is None
            else PDFTransform(spec, q, given.intensity, background_variance=given.variance)
        )
        places = tuple(len(axis.values) for axis in opened.axes)
        scale, level = np.full(places, np.nan), np.full(places, np.nan)
        incomplete = 0
        with PDFWriter(output, opened.axes, plan.r, sigma=opened.sigma, overwrite=overwrite) as writer:
            for place, intensity, sigma in _pieces(opened.blocks(), len(plan.r)):
                rows = intensity[..., part]
                found = plan(rows, None if sigma is None else np.square(sigma[..., part]))
                writer.write(place, found.g, found.sigma)
                scale[place], level[place] = found.scale, found.fluorescence
                incomplete += int(np.count_nonzero(~plan.complete(rows)))
            scaled = int(np.count_nonzero(np.isfinite(scale)))
            if not scaled:
                raise InputError(_none(source, scale.size, incomplete))
            images = {"scale": scale} | ({"fluorescence": level} if spec.fluorescence == "fit" else {})
            parameters = {"spec": spec.to_json(), "source": str(Path(source).resolve()), **(facts or {})}
            writer.close(images, parameters)
    return PDFReport(places, scaled, incomplete, spec)


@contextmanager
def _open(source: str | Path) -> Iterator[_Opened]:
    if is_scan_result(source):
        with read_scan_result(source) as scan:
            patterns = scan.patterns
            yield _Opened(
                patterns.axes, patterns.radial, scan.wavelength, patterns.has_errors, patterns.blocks
            )
    elif is_result(source):
        with read_result(source) as result:
            if result.is_cake or result.radial is None:
                raise InputError(f"{source}: holds cakes, where patterns are needed")
            frames = GridAxis("frame", np.arange(len(result.status), dtype=np.float64))
            yield _Opened(
                (frames,), result.radial, result.wavelength, result.has_errors, lambda: _rows_of(result)
            )
    else:
        raise InputError(
            f"{source}: holds no patterns of Aureole; of a pattern as text G(r) is written as .gr"
        )


def _rows_of(result: StoredResult) -> Blocks:
    for start, rows, sigma in result.blocks():
        yield (slice(start, start + len(rows)),), rows, sigma


def _pieces(blocks: Blocks, size: int) -> Blocks:
    """Yield blocks cut so that what becomes of them, `size` values a pattern, stays small too."""
    for place, intensity, sigma in blocks:
        *outer, last = place
        start = last.start if isinstance(last, slice) else 0
        step = max(1, _BLOCK_BYTES * len(intensity) // (8 * size * int(np.prod(intensity.shape[:-1]))))
        for first in range(0, len(intensity), step):
            part = slice(first, min(first + step, len(intensity)))
            where = (*outer, slice(start + part.start, start + part.stop))
            yield where, intensity[part], None if sigma is None else sigma[part]


def _with_values(source: str | Path, blocks: Blocks) -> slice:
    """Return the bins between the first and the last with a value, in the first patterns with any."""
    for _, intensity, _ in blocks:
        valid = np.flatnonzero(np.isfinite(intensity).reshape(-1, intensity.shape[-1]).any(0))
        if valid.size:
            return slice(int(valid[0]), int(valid[-1]) + 1)
    raise InputError(f"{source}: not one of its patterns has a value")


def _none(source: str | Path, places: int, incomplete: int) -> str:
    if incomplete == places:
        return f"{source}: all patterns lack values between qmin and qmaxinst: choose a smaller range"
    return f"{source}: no scale can be found for any pattern: there is too little above the background"
