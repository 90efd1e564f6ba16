"""How far rings are from where a geometry puts them: one procedure for all geometries.

It shares nothing with the calibration: pixels go undivided into bins of a cake, and a Gaussian on a line is
fitted to each ring in each sector.
"""

import numpy as np
from scipy.optimize import curve_fit

import aureole

SECTORS = 36
HALF = 0.09
"""Degrees on each side of a ring that are fitted."""


def bell(x, level, slope, height, place, width):
    return level + slope * x + height * np.exp(-0.5 * ((x - place) / width) ** 2)


def ring_residuals(image, geometry, calibrant, mask, *, low, high, bins=2500):
    """Return 2θ found less 2θ of the ring in degrees, for all rings between two angles and all sectors."""
    cake = aureole.integrate2d(
        image,
        geometry,
        bins,
        SECTORS,
        unit="2th_deg",
        radial_range=(low - 0.5, high + 0.5),
        azimuth_range=(-180.0, 180.0),
        split="no",
        mask=mask,
    )
    rings = np.degrees(calibrant.two_theta(geometry.wavelength, np.radians(high)))
    apart = np.minimum(np.diff(rings, prepend=-9.0), np.diff(rings, append=999.0))
    found = []
    for ring in rings[(rings > low) & (apart > 2.0 * HALF)]:
        near = np.abs(cake.radial - ring) < HALF
        for row in cake.intensity[:, near]:
            good = np.isfinite(row)
            if good.sum() < 0.8 * near.sum():
                continue
            x, y = cake.radial[near][good] - ring, row[good]
            start = [np.median(y), 0.0, y.max() - y.min(), x[np.argmax(y)], 0.02]
            try:
                best, _ = curve_fit(bell, x, y, start, maxfev=400)
            except RuntimeError:
                continue
            if best[2] > 0.0 and abs(best[3]) < HALF and 0.004 < abs(best[4]) < 0.06:
                found.append(best[3])
    return np.array(found)


def rms(residuals):
    """Return the root mean square without the farthest hundredth."""
    kept = np.abs(residuals) <= np.quantile(np.abs(residuals), 0.99)
    return float(np.sqrt(np.mean(np.square(residuals[kept]))))
