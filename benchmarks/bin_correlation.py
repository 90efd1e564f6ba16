"""What splitting pixels does to statistics: the figure of docs/explanation/bin-correlation.md.

A thousand synthetic exposures of one SAXS sample are integrated without splitting, with bbox and with full;
the figure shows the reduced χ² of all pairs of patterns, and how the noise of bins is correlated.

    .venv/bin/python benchmarks/bin_correlation.py [-o FILE.png]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from scipy.stats import chi2 as chi2_distribution

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "physics"))
import saxs_series  # noqa: E402

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

FIGURE = ROOT / "docs" / "explanation" / "bin-correlation.png"
COLOURS = {"no": "#1b6ca8", "bbox": "#d1495b", "full": "#d9902f"}
TITLES = {"no": "no splitting", "bbox": "bbox", "full": "full"}
INK, SOFT = "#222222", "#8a8a8a"
BINS = (100, 200)


def measure(bins, frames):
    """Return what each way of splitting does to χ² of all pairs and to the noise of bins."""
    found = {}
    for split in saxs_series.SPLITS:
        patterns = saxs_series.spec(split, bins).plan().integrate(frames)
        found[split] = {
            "chi2": saxs_series.reduced_chi2(patterns),
            "mended": saxs_series.reduced_chi2_with_covariance(patterns, saxs_series.covariance(split, bins)),
            "correlation": np.corrcoef(patterns.intensity.T),
            "expected": saxs_series.correlation(split, bins),
            "sum of ten": _sum_of_ten(patterns),
            "linear": _with_linear_errors(patterns),
        }
    return found


def _sum_of_ten(patterns):
    """Return the true error of the sum of ten neighbouring bins over what their errors make of it."""
    intensity, variance = patterns.intensity, np.square(patterns.sigma).mean(axis=0)
    groups = intensity.reshape(len(intensity), -1, 10).sum(axis=2)
    return np.sqrt(np.mean(groups.var(axis=0, ddof=1) / variance.reshape(-1, 10).sum(axis=1)))


def _with_linear_errors(patterns):
    """Return the mean reduced χ² had errors been made of Σcu, which for counts is the signal, not of Σc²u."""
    variance = patterns.sum_signal / np.square(patterns.sum_normalization)
    return np.mean(patterns.intensity.var(axis=0, ddof=1) / variance.mean(axis=0))


def show_table(found, bins):
    sure = np.sqrt(2.0 / bins)
    pairs = found["no"]["chi2"].size
    print(f"{bins} bins, {pairs} pairs; independent bins: 1 ± {sure:.3f}, 5.0 % beyond 1.96 of that")
    print(
        f"{'':14}{'χ² mean':>9}{'spread':>9}{'beyond':>9}{'next bin':>10}{'sum of 10':>11}"
        f"{'mended':>16}{'with Σcu':>11}"
    )
    for split, what in found.items():
        beyond = np.mean(np.abs(what["chi2"] - 1.0) > 1.96 * sure)
        print(
            f"{TITLES[split]:14}{what['chi2'].mean():9.3f}{what['chi2'].std():9.3f}{beyond:9.1%}"
            f"{np.diag(what['correlation'], 1).mean():10.2f}{what['sum of ten']:11.2f}"
            f"{what['mended'].mean():9.3f} ± {what['mended'].std():.3f}"
            f"{what['linear']:11.2f}"
        )
    print()


def draw(measured, path):
    plt.rcParams.update(
        {
            "font.size": 9.5,
            "axes.edgecolor": SOFT,
            "axes.labelcolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    figure, axes = plt.subplots(2, 3, figsize=(10.5, 6.0), height_ratios=(1.35, 1.0), layout="constrained")
    bins = max(measured)
    x = np.linspace(0.45, 1.75, 500)
    law = chi2_distribution.pdf(x * bins, bins) * bins
    edges = np.linspace(0.45, 1.75, 105)
    for column, (split, what) in zip(axes.T, measured[bins].items(), strict=True):
        _histogram(column[0], what, split, edges=edges, x=x, law=law)
        _correlations(column[1], what, split)
    axes[0, 0].set_ylabel("density")
    axes[1, 0].set_ylabel("correlation of noise")
    for row, limits in zip(axes, ((0.0, 5.6), (-0.04, 0.78)), strict=True):
        for place, ax in enumerate(row):
            ax.set_ylim(*limits)
            ax.tick_params(labelleft=place == 0)
    pairs = measured[bins]["no"]["chi2"].size
    figure.suptitle(
        f"Reduced χ² of all {pairs:,} pairs of 1,000 equal exposures, {bins} bins",
        fontsize=12,
        fontweight="bold",
    )
    figure.savefig(path, dpi=160, facecolor="white")
    plt.close(figure)


def _histogram(ax, what, split, *, edges, x, law):
    ax.hist(what["chi2"], edges, density=True, color=COLOURS[split], alpha=0.55, lw=0, label="measured")
    ax.plot(x, law, color=INK, lw=1.6, label="χ² law of independent bins")
    if split != "no":
        ax.hist(
            what["mended"],
            edges,
            density=True,
            histtype="step",
            color=COLOURS[split],
            lw=1.4,
            label="measured, with covariance",
        )
    ax.set_title(TITLES[split], color=COLOURS[split], fontweight="bold")
    ax.set_xlabel("reduced χ²")
    ax.set_xlim(x[0], x[-1])
    ax.text(
        0.97,
        0.50,
        f"mean {what['chi2'].mean():.3f}\nspread {what['chi2'].std():.3f}",
        transform=ax.transAxes,
        ha="right",
        va="top",
    )
    ax.legend(frameon=False, fontsize=8, loc="upper right", handlelength=1.4)


def _correlations(ax, what, split):
    lags = np.arange(1, 7)
    found, wanted = (
        [np.diag(what[name], lag).mean() for lag in lags] for name in ("correlation", "expected")
    )
    ax.bar(lags, found, 0.62, color=COLOURS[split], alpha=0.55, label="measured")
    ax.plot(lags, wanted, "o", color=INK, ms=4, label="from shared pixels")
    ax.axhline(0.0, color=SOFT, lw=0.8)
    ax.set_xlabel("bins apart")
    ax.set_xticks(lags)
    ax.legend(frameon=False, fontsize=8, loc="upper right", handlelength=1.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=FIGURE)
    output = parser.parse_args().output
    frames = saxs_series.exposures(1000)
    measured = {bins: measure(bins, frames) for bins in BINS}
    for bins, found in measured.items():
        show_table(found, bins)
    output.parent.mkdir(parents=True, exist_ok=True)
    draw(measured, output)
    print(f"written: {output}")


if __name__ == "__main__":
    main()
