"""Phases that were found in a tomogram, beside those that are truly there."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from aureole.cli.figures import MASKED, new_figure, save


def draw_phases(result: Path, truth: Path, output: Path, *, overwrite: bool) -> None:
    """Draw the phase maps of a simulated tomogram next to the truth, with how well they agree.

    Parameters
    ----------
    result, truth : path
        The tomogram, with weights of the phases, and the truth beside the frames.
    output : path
        A picture.
    overwrite : bool
        Whether it may be replaced.
    """
    with h5py.File(truth, "r") as file:
        names = [str(name) for name in file["entry/data/phase"].asstr()[()]]
        true = file["entry/data/fraction"][:, 0]
    with h5py.File(result, "r") as file:
        found = np.array([file[f"entry/phases/{name}_weight"][0] for name in names])
    seen = np.isfinite(found).all(axis=0)
    with new_figure(2.1 * len(names) + 0.8, 4.9) as figure:
        panels = figure.subplots(2, len(names), squeeze=False)
        for column, name in enumerate(names):
            top = float(true[column].max()) or 1.0
            agreement = np.corrcoef(found[column][seen], true[column][seen])[0, 1]
            for row, (image, title) in enumerate(
                ((true[column], name), (found[column], f"correlation {agreement:.4f}"))
            ):
                panel = panels[row, column]
                panel.set_facecolor(MASKED)
                drawn = panel.imshow(
                    image, vmin=0.0, vmax=top, cmap="viridis", interpolation="nearest", origin="lower"
                )
                panel.set_title(title)
                panel.set_xticks([])
                panel.set_yticks([])
            figure.colorbar(drawn, ax=panels[:, column], orientation="horizontal", shrink=0.9, pad=0.02)
        for row, label in enumerate(("truth", "from the frames")):
            panels[row, 0].set_ylabel(label)
        figure.supxlabel("volume fraction", fontsize=9.5)
        save(figure, output, overwrite=overwrite)
