"""Aureole turns X-ray detector frames into diffraction patterns and cakes, with errors, on a plain CPU.

The names below are the public interface; each is loaded when it is first used, so that importing the package
costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from aureole.version import __version__ as __version__

if TYPE_CHECKING:
    from aureole.axis import Axis as Axis
    from aureole.azimuthal import Cake as Cake
    from aureole.azimuthal import Clip as Clip
    from aureole.azimuthal import IntegrationSpec as IntegrationSpec
    from aureole.azimuthal import Pattern as Pattern
    from aureole.azimuthal import Trim as Trim
    from aureole.azimuthal import integrate1d as integrate1d
    from aureole.azimuthal import integrate2d as integrate2d
    from aureole.azimuthal import subtract as subtract
    from aureole.frames import EncodedFrame as EncodedFrame
    from aureole.geometry import Detector as Detector
    from aureole.geometry import Geometry as Geometry
    from aureole.geometry import Sample as Sample
    from aureole.geometry import detector as detector
    from aureole.io import load as load
    from aureole.io import open_frames as open_frames
    from aureole.kernels import decode as decode

_HOME = {
    "Axis": "aureole.axis",
    "Cake": "aureole.azimuthal",
    "Clip": "aureole.azimuthal",
    "Detector": "aureole.geometry",
    "EncodedFrame": "aureole.frames",
    "Geometry": "aureole.geometry",
    "IntegrationSpec": "aureole.azimuthal",
    "Pattern": "aureole.azimuthal",
    "Sample": "aureole.geometry",
    "Trim": "aureole.azimuthal",
    "decode": "aureole.kernels",
    "detector": "aureole.geometry",
    "integrate1d": "aureole.azimuthal",
    "integrate2d": "aureole.azimuthal",
    "load": "aureole.io",
    "open_frames": "aureole.io",
    "subtract": "aureole.azimuthal",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'aureole' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
