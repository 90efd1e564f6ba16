"""From frames at several positions of the detector to one file of one pattern or cake."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter

from aureole.azimuthal import Cake, MultiSpec, Pattern
from aureole.errors import FrameError, SpecError
from aureole.geometry import Geometry
from aureole.io.nexus import Provenance, Source
from aureole.io.pattern_layout import PatternLayout
from aureole.io.patterns import PatternWriter
from aureole.io.series import Frames
from aureole.io.text import TEXT_ENDINGS, write_text
from aureole.runs.integrate import axis_data, check_ending
from aureole.runs.report import FrameIssue, RunOptions, RunReport
from aureole.version import __version__


def integrate_positions(
    multi: MultiSpec, frames: Frames, output: str | Path, *, options: RunOptions
) -> RunReport:
    """Integrate one frame of each position, and write what they make together.

    Parameters
    ----------
    multi : MultiSpec
    frames : Frames
        One for each position.
    output : path
        NeXus HDF5 by its ending, with one row; a pattern may go to text, ``.xy``, ``.xye``, ``.dat`` or
        ``.chi``.
    options : RunOptions
        Of which executor, parts and command play no part.

    Returns
    -------
    RunReport
        Frames that could not be used are among the issues, and left out.

    Raises
    ------
    SpecError
        The ending is none of these, or the text cannot hold what was asked for.
    OutputError
        The output exists or cannot be written.
    FrameError
        With ``options.strict`` the first frame that cannot be used; the last one if none can.
    """
    output = Path(output)
    text = output.suffix.lower() in TEXT_ENDINGS
    check_ending(output, frames=1, cake=_is_cake(multi))
    if output.suffix.lower() == ".xye" and multi.error_model is None:
        raise SpecError(f"{output}: there is no error model, and .xye holds errors; let its name end in .xy")
    begin = perf_counter()
    failures: dict[int, FrameError] | None = None if options.strict else {}
    result = multi.accumulate(
        frames,
        variance=options.variance,
        monitor=options.monitor,
        threads=options.threads,
        failures=failures,
    )
    issues = [FrameIssue.of(index, error) for index, error in (failures or {}).items()]
    if text:
        _to_text(multi, result, output, options=options)
    else:
        _to_nexus(multi, (result, frames, issues), output, options=options)
    return RunReport(output, len(frames), issues, perf_counter() - begin)


def _is_cake(multi: MultiSpec) -> bool:
    return all(axis is not None and axis.bins is not None for axis in (multi.radial, multi.azimuthal))


def _facts(multi: MultiSpec, options: RunOptions) -> dict[str, str | float | int | bool]:
    return {"positions": len(multi.specs), "multi_sha256": multi.digest, **options.parameters}


def _to_text(multi: MultiSpec, result: Pattern | Cake, output: Path, *, options: RunOptions) -> None:
    axis = next(axis for axis in (multi.radial, multi.azimuthal) if axis is not None and axis.bins)
    places = result.bins.radial if result.bins.radial is not None else result.bins.azimuthal
    assert places is not None
    header = [
        *(f"{key}: {_one_line(value)}" for key, value in _facts(multi, options).items()),
        f"spec at the first position: {multi.specs[0].to_json()}",
    ]
    write_text(
        output,
        places,
        result.intensity,
        result.sigma,
        unit=axis.unit,
        header=[f"{len(multi.specs)} positions of the detector", *header],
        overwrite=options.overwrite,
    )


def _geometries(geometries: list[Geometry]) -> str:
    """Return the parameters of all positions as JSON: a list for each, in SI units."""
    names = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength")
    known = {name: [getattr(geometry, name) for geometry in geometries] for name in names}
    return json.dumps({name: values for name, values in known.items() if None not in values})


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _to_nexus(
    multi: MultiSpec,
    done: tuple[Pattern | Cake, Frames, list[FrameIssue]],
    output: Path,
    *,
    options: RunOptions,
) -> None:
    result, frames, issues = done
    first = multi.specs[0]
    skipped = [(issue.index, issue.name, issue.reason) for issue in issues]
    provenance = Provenance(
        spec=first.to_json(),
        sources=[Source.of(path) for path in dict.fromkeys(frames.sources)],
        parameters={
            "error_model": first.error_model or "none",
            "split": first.split,
            "spec_sha256": first.digest,
            "left_out": json.dumps(skipped),
            "command": json.dumps(options.command),
            "geometries": _geometries([spec.geometry for spec in multi.specs]),
            **_facts(multi, options),
        },
        arrays={name: named.array for name, named in first.arrays.items()},
        note=f"made by aureole {__version__} of {len(multi.specs) - len(issues)} positions of the detector; "
        "the spec is that of the first; sigma is the standard error of the mean",
    )
    layout = PatternLayout(
        radial=axis_data(multi.radial, result.bins.radial_range),
        azimuthal=axis_data(multi.azimuthal, result.bins.azimuthal_range),
        norm=result.sums.normalization,
        sigma=first.error_model is not None,
        solid_angle=first.solid_angle,
        efficiency=first.efficiency_of is not None,
        polarization=first.polarization_factor is not None,
        site=options.site,
        provenance=provenance,
    )
    with PatternWriter(output, 1, layout, overwrite=options.overwrite) as writer:
        writer.write(0, result.intensity[None], None if result.sigma is None else result.sigma[None])
