"""Calibrants: substances whose rings tell where a detector stands; and how they tell it."""

from aureole.calibration.calibrant import Calibrant, Reflection
from aureole.calibration.calibrant_file import read_calibrant
from aureole.calibration.calibrate import calibrate
from aureole.calibration.calibration import Calibration, RingResidual
from aureole.calibration.catalogue import calibrant, calibrant_names
from aureole.calibration.follow import pick
from aureole.calibration.pixels import usable_pixels
from aureole.calibration.refine import Fit, RingPoints, refine, residuals
from aureole.calibration.start import Start

__all__ = [
    "Calibrant",
    "Calibration",
    "Fit",
    "Reflection",
    "RingPoints",
    "RingResidual",
    "Start",
    "calibrant",
    "calibrant_names",
    "calibrate",
    "pick",
    "read_calibrant",
    "refine",
    "residuals",
    "usable_pixels",
]
