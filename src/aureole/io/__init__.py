"""Files: everything that opens one is here. Arrays and attributes go in and out, never results.

The names below are loaded when they are first used: a command that reads no HDF5 does not import h5py.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aureole.io.cbf import parse_cbf as parse_cbf
    from aureole.io.cbf import read_cbf as read_cbf
    from aureole.io.cbf_write import write_cbf as write_cbf
    from aureole.io.images import load as load
    from aureole.io.images import read_image as read_image
    from aureole.io.names import natural_sorted as natural_sorted
    from aureole.io.names import read_list as read_list
    from aureole.io.nexus import Provenance as Provenance
    from aureole.io.nexus import Site as Site
    from aureole.io.nexus import Source as Source
    from aureole.io.pattern_layout import AxisData as AxisData
    from aureole.io.pattern_layout import PatternLayout as PatternLayout
    from aureole.io.patterns import PatternWriter as PatternWriter
    from aureole.io.positioners import find_positioners as find_positioners
    from aureole.io.positioners import read_positions as read_positions
    from aureole.io.publish import publication as publication
    from aureole.io.read_text import TextPattern as TextPattern
    from aureole.io.read_text import read_text as read_text
    from aureole.io.scalars import header_number as header_number
    from aureole.io.scalars import read_numbers as read_numbers
    from aureole.io.scalars import read_scalars as read_scalars
    from aureole.io.scan_results import StoredScan as StoredScan
    from aureole.io.scan_results import read_scan_result as read_scan_result
    from aureole.io.series import Frames as Frames
    from aureole.io.series import open_frames as open_frames
    from aureole.io.stack import StackWriter as StackWriter
    from aureole.io.status import FrameStatus as FrameStatus
    from aureole.io.text import write_text as write_text

_HOME = {
    "AxisData": "pattern_layout",
    "FrameStatus": "status",
    "Frames": "series",
    "PatternLayout": "pattern_layout",
    "PatternWriter": "patterns",
    "Provenance": "nexus",
    "Source": "nexus",
    "Site": "nexus",
    "StackWriter": "stack",
    "StoredScan": "scan_results",
    "TextPattern": "read_text",
    "find_positioners": "positioners",
    "header_number": "scalars",
    "load": "images",
    "natural_sorted": "names",
    "open_frames": "series",
    "parse_cbf": "cbf",
    "publication": "publish",
    "read_cbf": "cbf",
    "read_image": "images",
    "read_list": "names",
    "read_numbers": "scalars",
    "read_positions": "positioners",
    "read_scalars": "scalars",
    "read_scan_result": "scan_results",
    "read_text": "read_text",
    "write_cbf": "cbf_write",
    "write_text": "text",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'aureole.io' has no attribute {name!r}")
    value = getattr(import_module(f"aureole.io.{_HOME[name]}"), name)
    globals()[name] = value
    return value
