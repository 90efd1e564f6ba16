"""Write the pages of the reference that follow from the code: cli.md, detectors.md and calibrants.md."""

from __future__ import annotations

import argparse
from math import degrees
from pathlib import Path

from aureole.calibration import Calibrant, calibrant, calibrant_names
from aureole.calibration.catalogue import calibrant_aliases
from aureole.cli import make_parser
from aureole.geometry import model_names
from aureole.geometry.catalogue import Model, find_model
from aureole.geometry.surface import Cylinder, Hexagons, Panels

HERE = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/make_reference.py: change the source, then run it. -->"


def cli_page() -> str:
    """Return the page on verbs and options."""
    parser = make_parser()
    lines = ["# Command line", "", NOTE, ""]
    lines += ["`aureole VERB ...`; `aureole VERB --help` says the same.", ""]
    lines += [
        "Exit codes: 0 clean, 1 finished with bad or missing frames, 2 usage, input or output error,",
        "129 hung up, 130 interrupted (Ctrl-C), 143 terminated.",
        "[More](../how-to/bad-frames-and-exit-codes.md).",
        "",
    ]
    for verb, described in _verbs(parser).items():
        lines += [f"## aureole {verb}", "", (described.description or "").strip(), ""]
        for group in described._action_groups:
            options = [action for action in group._group_actions if action.dest not in ("help", "step")]
            rows = [_row(action) for action in options]
            if rows:
                lines += [f"| {_title(group)} | |", "|---|---|", *rows, ""]
        if described.epilog:
            lines += ["```text", described.epilog.strip(), "```", ""]
    return "\n".join(lines)


def _verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each verb, those of several steps as ``verb`` and ``verb step``."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, described in action.choices.items():
                found[verb] = described
                found |= {f"{verb} {step}": parser for step, parser in _verbs(described).items()}
    return found


def _title(group: argparse._ArgumentGroup) -> str:
    return {"positional arguments": "argument"}.get(group.title or "", group.title or "")


def _row(action: argparse.Action) -> str:
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    if action.nargs == 0:
        values: list[str] = []
    elif isinstance(action.metavar, tuple):
        values = list(action.metavar)
    elif action.choices:
        values = ["{" + ",".join(map(str, action.choices)) + "}"]
    else:
        values = [action.metavar or action.dest.upper()]
    words = " ".join(part for part in (names, *(f"`{value}`" for value in values)) if part)
    text = (action.help or "") % vars(action) + (" (required)" if _is_needed(action) else "")
    return f"| {words} | {_cell(text)} |"


def _is_needed(action: argparse.Action) -> bool:
    return action.required and bool(action.option_strings)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def detectors_page() -> str:
    """Return the page on the detectors that are known by name."""
    lines = ["# Detectors", "", NOTE, ""]
    lines += [
        'Known by name, in PONI files and in `aureole.detector("...")`. Case, spaces, dashes and underscores',
        "do not matter: `Pilatus3 2M CdTe`, `pilatus-cdte-2m` and `PilatusCdTe2M` are one. Any other",
        "detector with rectangular pixels is `Detector`, with its pixel size. `aureole info --detectors`",
        "lists the names too. A detector of any other pixels comes from a file: see `load_detector` in",
        "[Python](python.md).",
        "",
        "Invalid: raw values that mean “no value”; −1 stands for all bits set in unsigned frames.",
        "",
    ]
    makers: dict[str, list[Model]] = {}
    for name in model_names():
        model = find_model(name)
        makers.setdefault(model.manufacturer, []).append(model)
    for maker, models in sorted(makers.items()):
        lines += [f"## {maker}", "", "| name | rows × columns | pixel (µm) | invalid |", "|---|---|---|---|"]
        lines += [_detector_row(model) for model in models]
        lines.append("")
    return "\n".join(lines)


def _detector_row(model: Model) -> str:
    shapes, sizes = [], []
    for mode in model.modes:
        shapes.append("from the image" if mode.shape is None else f"{mode.shape[0]} × {mode.shape[1]}")
        sizes.append(" × ".join(dict.fromkeys(f"{size * 1e6:g}" for size in mode.pixel)))
    binned = ", and binned" if model.free_binning and model.modes[0].shape is not None else ""
    kinds = {Hexagons: ", hexagons", Cylinder: ", on a cylinder", Panels: ", in panels"}
    kind = kinds.get(type(model.surface), "")
    invalid = ", ".join(str(value).replace("-", "−") for value in model.invalid) or "none"
    return f"| {model.name} | {'; '.join(shapes)}{kind}{binned} | {'; '.join(sizes)} | {invalid} |"


def calibrants_page() -> str:
    """Return the page on the calibrants that are known by name."""
    lines = ["# Calibrants", "", NOTE, ""]
    lines += [
        'Known by name wherever a calibrant is asked for, and in `aureole.calibration.calibrant("...")`;',
        "case does not matter. Rings are computed from lattice and reflection conditions; of substances most",
        "of whose rings are weak, only those that are seen.",
        "",
        "A file of spacings in Å (`NAME.D`, as pyFAI has them) stands in for a name: one spacing a line, and",
        "behind it, where known, `# (h k l)`, the multiplicity and the intensity. Lines that begin with `#`",
        "are comments; `# Calibrant:` and `# Ref:` say what it is and where the numbers are from.",
        "",
        "| name | also | what | a, b, c (Å), angles (°) | rings | source |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_calibrant_row(calibrant(name)) for name in sorted(calibrant_names(), key=str.casefold)]
    return "\n".join([*lines, ""])


def _calibrant_row(known: Calibrant) -> str:
    aliases = ", ".join(calibrant_aliases(known.name))
    cell = ""
    if known.lattice is not None and "00l" in known.conditions:
        cell = f"{known.lattice[2] * 1e10:.8g}"
    elif known.lattice is not None:
        a, b, c = (f"{edge * 1e10:.8g}" for edge in known.lattice[:3])
        edges = [a] if a == b == c else [a, c] if a == b else [a, b, c]
        angles = dict.fromkeys(f"{degrees(angle):.4g}" for angle in known.lattice[3:])
        cell = "; ".join([", ".join(edges), *(angle for angle in angles if angle != "90")])
    rings = f"{len(known.table)}" if known.table else "all"
    return f"| {known.name} | {aliases} | {known.title} | {cell} | {rings} | {known.reference} |"


PAGES = {"cli.md": cli_page, "detectors.md": detectors_page, "calibrants.md": calibrants_page}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
