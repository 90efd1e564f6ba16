"""Which fraction of each pixel falls into which bin, said as plainly as Python can: the oracle of the kernel.

A pixel is a point, a box or a polygon in the plane of a radial and an azimuthal coordinate, and a bin an
interval or a rectangle. The fraction is the area that they share over the area of the pixel: what lies
outside of all bins is lost. The azimuth closes after a turn: what leaves the bins at one end comes back at
the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, floor, inf, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Point = tuple[float, float]
Bounds = tuple[float, float, float, float]

NEGLIGIBLE = 2.0**-30
"""A smaller fraction of a pixel is rounding."""

ON_BEAM = 1e-9
"""A corner is on the beam where its radius is below this part of the pixel's largest."""

POINT = 1e-12
"""An interval shorter than this, in bins, is a point: it is in one place."""

NO_AREA = 1e-9
"""A polygon smaller than this part of its bounding box has no area to share out."""


@dataclass(frozen=True, slots=True)
class Binned:
    """An axis: ``bins`` bins of equal width from `lo` to `hi`.

    `period` is the length of a turn, 0 where the axis does not close; no box reaches below `lowest`.
    """

    lo: float
    hi: float
    bins: int = 1
    period: float = 0.0
    lowest: float = -inf

    @property
    def width(self) -> float:
        """Of one bin."""
        return (self.hi - self.lo) / self.bins

    def interval(self, number: int) -> tuple[float, float]:
        """Return a bin's edges. A turn may end inside the last bin: there it ends."""
        low, high = self.lo + number * self.width, self.lo + (number + 1) * self.width
        return low, min(high, self.lo + self.period) if self.period else high

    def images(self, low: float, high: float) -> list[float]:
        """Return the shifts by whole turns that bring a part of an interval into the range of the bins."""
        if not self.period:
            return [0.0]
        top = min(self.hi, self.lo + self.period)
        turns = range(-3, 4)
        shifts = [turn * self.period for turn in turns]
        return [shift for shift in shifts if low + shift <= top and high + shift >= self.lo]


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """Coordinates of pixels: at their centres (n1, n2) and at the points between them (n1 + 1, n2 + 1).

    Where pixels do not share their corners, the vertices are those of each pixel, (n1, n2, K).
    `mask` is True for pixels without entries. `period` is that of the azimuth; `radius` says whether the
    radial coordinate is 0 on the beam and rises from there.
    """

    mask: NDArray[np.bool_]
    radial_centre: F64 | None = None
    radial_vertex: F64 | None = None
    azimuthal_centre: F64 | None = None
    azimuthal_vertex: F64 | None = None
    period: float = 0.0
    radius: bool = True


def split(
    mode: str, pixels: Pixels, radial: Binned | None, azimuthal: Binned | None
) -> tuple[NDArray[np.int64], NDArray[np.int32], F64]:
    """Return the entries of all pixels.

    Parameters
    ----------
    mode : {"no", "bbox", "pseudo", "full"}
        ``no``: the centre, as a whole, to the bin that it is in (or at the lower edge of). ``bbox``: the box
        from the centre by the largest difference to a corner, to all sides. ``full``: the polygon of the
        corners. ``pseudo``: the polygon's bounding box, shrunk about its middle to the polygon's area.
    pixels : Pixels
        Centres for the axes given (no, bbox); vertices of the axes given (bbox) or of both coordinates
        (pseudo, full); with an azimuthal axis bbox needs the radial vertices too.
    radial, azimuthal : Binned or None
        At least one. The flat bin is ``azimuthal_bin * radial.bins + radial_bin``.

    Returns
    -------
    pixel_ptr : ndarray of int64, shape (n1 * n2 + 1,)
    bins : ndarray of int32, shape (nnz,)
    coefs : ndarray of float64, shape (nnz,)
    """
    ptr, bins, coefs = [0], [], []
    for i, j in np.ndindex(pixels.mask.shape):
        if not pixels.mask[i, j]:
            shares = _shares(mode, pixels, (i, j), radial, azimuthal)
            for number in sorted(shares):
                if shares[number] >= NEGLIGIBLE:
                    bins.append(number)
                    coefs.append(shares[number])
        ptr.append(len(bins))
    return np.array(ptr, np.int64), np.array(bins, np.int32), np.array(coefs, np.float64)


def _shares(
    mode: str, pixels: Pixels, index: tuple[int, int], radial: Binned | None, azimuthal: Binned | None
) -> dict[int, float]:
    centre = _at(pixels.radial_centre, index), _at(pixels.azimuthal_centre, index)
    if mode == "no":
        if not (isfinite(centre[0]) and isfinite(centre[1])):
            return {}
        return _box((centre[0], centre[0], centre[1], centre[1]), radial, azimuthal)
    around_it = _around(pixels.radial_vertex, *index)
    corners = [(_at(pixels.radial_vertex, at), _at(pixels.azimuthal_vertex, at)) for at in around_it]
    if not all(isfinite(x) and isfinite(y) for x, y in corners):
        return {}
    polygon, around = _unwrap(corners, pixels)
    bounds = _bounds(polygon)
    if mode == "bbox":
        return _box(_centred(centre, corners, around, pixels), radial, azimuthal)
    area = _area(polygon)
    least = NO_AREA * (bounds[1] - bounds[0]) * (bounds[3] - bounds[2])
    no_polygon = (
        (around and not pixels.radius)
        or abs(area) <= least
        or (len(polygon) == 4 and _crossed(polygon, least))
    )
    if no_polygon:
        return _box(bounds, radial, azimuthal)
    if mode == "pseudo":
        return _box(_shrunk(bounds, abs(area)), radial, azimuthal)
    return _polygon(polygon, radial, azimuthal)


def _at(values: F64 | None, index: tuple[int, ...]) -> float:
    return 0.0 if values is None else float(values[index])


def _around(vertices: F64 | None, i: int, j: int) -> list[tuple[int, ...]]:
    if vertices is not None and vertices.ndim == 3:
        return [(i, j, k) for k in range(vertices.shape[2])]
    return [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]


def _short_way(difference: float, period: float) -> float:
    """Return the difference of two angles that is in [-½, ½) turns; the angles are less than a turn apart."""
    if difference >= 0.5 * period:
        return difference - period
    return difference + period if difference < -0.5 * period else difference


def _unwrap(corners: list[Point], pixels: Pixels) -> tuple[list[Point], bool]:
    """Return the pixel as a polygon with continuous azimuth, and whether it contains the beam.

    In polar coordinates the beam is the line r = 0. A pixel around the beam is what lies between it and the
    corners, over a whole turn. A corner on the beam, or a side through it, is the part of that line between
    the azimuths of its neighbours.
    """
    if pixels.azimuthal_vertex is None:
        return corners, False
    far = max(x for x, _ in corners)
    on_beam = [pixels.radius and x <= ON_BEAM * far for x, _ in corners]
    gap = None
    if any(on_beam):
        start = on_beam.index(True)
        corners = corners[start + 1 :] + corners[:start]
        gap = len(corners) - 1
    steps = []
    for (_, this), (_, following) in zip(corners, corners[1:] + corners[:1], strict=True):
        steps.append(_short_way(following - this, pixels.period))
    if gap is None:
        through = [abs(step) >= 0.5 * pixels.period * (1 - 1e-9) for step in steps]
        if any(through):
            gap = through.index(True)
    if gap is not None:
        steps[gap] -= sum(steps)
    around = gap is None and abs(sum(steps)) > 0.5 * pixels.period
    polygon = []
    azimuth = corners[0][1]
    for number, ((x, _), step) in enumerate(zip(corners, steps, strict=True)):
        polygon.append((x, azimuth))
        if number == gap and pixels.radius:
            polygon += [(0.0, azimuth), (0.0, azimuth + step)]
        azimuth += step
    if around:
        x, first = corners[0]
        last = first + copysign(pixels.period, sum(steps))
        polygon.append((x, last))
        if pixels.radius:
            polygon += [(0.0, last), (0.0, first)]
    return polygon, around


def _centred(centre: Point, corners: list[Point], around: bool, pixels: Pixels) -> Bounds:
    """Return the box from the centre by the largest difference to a corner, to all sides."""
    far = max(x for x, _ in corners)
    dx = max(abs(x - centre[0]) for x, _ in corners)
    dy = 0.0
    if pixels.azimuthal_centre is not None:
        turns = [
            abs(_short_way(y - centre[1], pixels.period))
            for x, y in corners
            if not (pixels.radius and x <= ON_BEAM * far)
        ]
        dy = 0.5 * pixels.period if around else max(turns, default=0.0)
    low = 0.0 if around and pixels.radius else centre[0] - dx
    return low, centre[0] + dx, centre[1] - dy, centre[1] + dy


def _bounds(polygon: list[Point]) -> Bounds:
    xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
    return min(xs), max(xs), min(ys), max(ys)


def _shrunk(bounds: Bounds, area: float) -> Bounds:
    x0, x1, y0, y1 = bounds
    factor = sqrt(area / ((x1 - x0) * (y1 - y0)))
    dx, dy = 0.5 * factor * (x1 - x0), 0.5 * factor * (y1 - y0)
    x, y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    return x - dx, x + dx, y - dy, y + dy


def _area(polygon: list[Point]) -> float:
    """Return the area by the shoelace formula, positive where the polygon turns from x to y."""
    if not polygon:
        return 0.0
    x0, y0 = polygon[0]
    moved = [(x - x0, y - y0) for x, y in polygon]
    pairs = zip(moved, moved[1:] + moved[:1], strict=True)
    return 0.5 * sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)


def _crossed(quad: list[Point], least: float) -> bool:
    """Whether two sides cross: at two corners the outline turns left, at two right."""
    turns = []
    for number in range(4):
        a, b, c = quad[number], quad[(number + 1) % 4], quad[(number + 2) % 4]
        turns.append((b[0] - a[0]) * (c[1] - b[1]) - (c[0] - b[0]) * (b[1] - a[1]))
    return sum(turn > least for turn in turns) == 2 and sum(turn < -least for turn in turns) == 2


def _interval(low: float, high: float, axis: Binned | None) -> dict[int, float]:
    """Return which part of an interval, or which point, falls into which bin."""
    if axis is None:
        return {0: 1.0}
    if not high - low > POINT * axis.width:
        at = low - axis.lo
        if axis.period:
            at -= floor(at / axis.period) * axis.period
            at = at if at < axis.period else 0.0
        number = floor(at / axis.width)
        return {number: 1.0} if 0 <= number < axis.bins else {}
    found: dict[int, float] = {}
    for shift in axis.images(low, high):
        for number in range(axis.bins):
            start, end = axis.interval(number)
            common = min(high + shift, end) - max(low + shift, start)
            if common > 0.0:
                found[number] = found.get(number, 0.0) + common / (high - low)
    return found


def _box(bounds: Bounds, radial: Binned | None, azimuthal: Binned | None) -> dict[int, float]:
    """Share a box out: the product of what falls into the bins of each axis."""
    x0, x1, y0, y1 = bounds
    if radial is not None:
        x0, x1 = max(x0, radial.lowest), max(x1, radial.lowest)
    n_radial = 1 if radial is None else radial.bins
    along_x = _interval(x0, x1, radial)
    along_y = _interval(y0, y1, azimuthal)
    return {
        row * n_radial + column: part_y * part_x
        for row, part_y in along_y.items()
        for column, part_x in along_x.items()
    }


def _polygon(polygon: list[Point], radial: Binned | None, azimuthal: Binned | None) -> dict[int, float]:
    """Share a polygon out: cut it to each bin."""
    x0, x1, y0, y1 = _bounds(polygon)
    area = _area(polygon)
    n_radial = 1 if radial is None else radial.bins
    found: dict[int, float] = {}
    for shift in [0.0] if azimuthal is None else azimuthal.images(y0, y1):
        moved = [(x, y + shift) for x, y in polygon]
        for row in range(1 if azimuthal is None else azimuthal.bins):
            band = moved
            if azimuthal is not None:
                low, high = azimuthal.interval(row)
                if y1 + shift < low or y0 + shift > high:
                    continue
                band = _above(_below(moved, 1, high), 1, low)
            for column in range(n_radial):
                part = band
                if radial is not None:
                    low, high = radial.interval(column)
                    if x1 < low or x0 > high:
                        continue
                    part = _above(_below(band, 0, high), 0, low)
                number = row * n_radial + column
                found[number] = found.get(number, 0.0) + _area(part) / area
    return found


def _below(polygon: list[Point], axis: int, level: float) -> list[Point]:
    """Return the part of a polygon where coordinate 0 or 1 is at most `level` (Sutherland-Hodgman)."""
    result = []
    for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if a[axis] <= level:
            result.append(a)
        if (a[axis] <= level) != (b[axis] <= level):
            t = (level - a[axis]) / (b[axis] - a[axis])
            cut = [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]
            cut[axis] = level
            result.append((cut[0], cut[1]))
    return result


def _above(polygon: list[Point], axis: int, level: float) -> list[Point]:
    def mirror(points: list[Point]) -> list[Point]:
        return [(-x, y) if axis == 0 else (x, -y) for x, y in points]

    return mirror(_below(mirror(polygon), axis, -level))
