"""Computed structures: what a cluster of atoms scatters, by Debye's sum, and its G(r) without a transform."""

from typing import NamedTuple

import numpy as np

from aureole.pdf.composition import Composition
from aureole.pdf.scattering import averages, form_factor, recoil

STEP = 1e-3


class Cluster(NamedTuple):
    """Atoms in a sphere cut out of a crystal: positions (n, 3) in Å, symbols, atoms in a cubic Å, formula."""

    positions: np.ndarray
    symbols: np.ndarray
    density: float
    formula: str
    radius: float


def cut(cell, atoms, radius, formula):
    """Cut a sphere out of a cubic crystal, around the middle of a cell."""
    count = int(np.ceil(radius / cell)) + 1
    corners = cell * np.stack(np.meshgrid(*[np.arange(-count, count + 1)] * 3, indexing="ij"), -1).reshape(
        -1, 3
    )
    symbols = np.array([symbol for symbol, _ in atoms])
    inside = cell * np.array([place for _, place in atoms])
    positions = (corners[:, None] + inside).reshape(-1, 3) - 0.3 * cell
    keep = np.linalg.norm(positions, axis=1) <= radius
    named = np.tile(symbols, len(corners))[keep]
    return Cluster(positions[keep], named, len(atoms) / cell**3, formula, radius)


def nickel(radius=11.0):
    places = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    return cut(3.5239, [("Ni", place) for place in places], radius, "Ni")


def lanthanum_boride(radius=11.0):
    b = 0.1993
    boron = [(b, 0.5, 0.5), (-b, 0.5, 0.5), (0.5, b, 0.5), (0.5, -b, 0.5), (0.5, 0.5, b), (0.5, 0.5, -b)]
    atoms = [("La", (0, 0, 0)), *(("B", place) for place in boron)]
    cluster = cut(4.1569, atoms, radius, "LaB6")
    # Cutting leaves more or fewer boron atoms than the formula says.
    la, b = (int(np.count_nonzero(cluster.symbols == symbol)) for symbol in ("La", "B"))
    return cluster._replace(formula=f"La{la}B{b}")


def distances(cluster):
    """Return the histograms of distances, with `STEP`, by pairs of elements; each pair counts twice."""
    kinds = sorted(set(cluster.symbols))
    size = int(2.0 * cluster.radius / STEP) + 2
    out = {}
    for a in kinds:
        for b in kinds:
            first, second = (cluster.positions[cluster.symbols == kind] for kind in (a, b))
            apart = np.linalg.norm(first[:, None] - second[None], axis=-1).ravel()
            counts = np.bincount((apart / STEP + 0.5).astype(int), minlength=size).astype(float)
            counts[0] = 0.0
            out[a, b] = counts
    return out


def elastic(cluster, q, u2):
    """Return the elastic intensity for each atom; u2 is the mean square deviation of a pair's distance."""
    total = averages(Composition.parse(cluster.formula), q).f2
    damping = np.exp(-0.5 * u2 * q**2)
    for (a, b), counts in distances(cluster).items():
        there = np.flatnonzero(counts)
        x = np.multiply.outer(q, there * STEP)
        waves = (np.sin(x) / x) @ counts[there]
        total = total + form_factor(a, q) * form_factor(b, q) * damping * waves / len(cluster.positions)
    return total


def measured(cluster, q, u2, wavelength, *, scale=1.0, constant=0.0):
    """Return what a detector that counts photons sees of a cluster: elastic, Compton, a constant."""
    incoherent = averages(Composition.parse(cluster.formula), q).compton * recoil(q, wavelength, 2)
    return scale * (elastic(cluster, q, u2) + incoherent + constant)


def radial_distribution(cluster, r, u2):
    """Return R(r) of a cluster of one element: peaks of the normal distribution at all distances."""
    (counts,) = distances(cluster).values()
    there = np.flatnonzero(counts)
    at, weight = there * STEP, counts[there] / len(cluster.positions)
    peaks = np.exp(-0.5 * (r[:, None] - at) ** 2 / u2) / np.sqrt(2.0 * np.pi * u2)
    # Debye's sum with a damping that does not know of the distance makes r/r_ij of each peak.
    return (peaks / at) @ weight * r


def direct(cluster, r, u2):
    """Return G(r) = R(r)/r - 4πr ρ₀ γ₀(r) with γ₀ of a sphere."""
    x = np.clip(r / (2.0 * cluster.radius), 0.0, 1.0)
    shape = 1.0 - 1.5 * x + 0.5 * x**3
    volume = 4.0 / 3.0 * np.pi * cluster.radius**3
    density = len(cluster.positions) / volume
    return radial_distribution(cluster, r, u2) / r - 4.0 * np.pi * r * density * shape


def rw(found, wanted):
    """Return how far two curves are apart: rms of the difference over that of `wanted`."""
    return float(np.sqrt(np.sum((found - wanted) ** 2) / np.sum(wanted**2)))
