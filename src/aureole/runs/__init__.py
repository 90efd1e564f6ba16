"""Batch work: a series of frames in, one file out, and an account of every frame."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aureole.runs.convert import convert_series as convert_series
    from aureole.runs.integrate import integrate_series as integrate_series
    from aureole.runs.report import FrameIssue as FrameIssue
    from aureole.runs.report import RunOptions as RunOptions
    from aureole.runs.report import RunReport as RunReport
    from aureole.runs.report import check_output as check_output

_HOME = {
    "FrameIssue": "report",
    "RunOptions": "report",
    "RunReport": "report",
    "check_output": "report",
    "convert_series": "convert",
    "integrate_series": "integrate",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'aureole.runs' has no attribute {name!r}")
    value = getattr(import_module(f"aureole.runs.{_HOME[name]}"), name)
    globals()[name] = value
    return value
