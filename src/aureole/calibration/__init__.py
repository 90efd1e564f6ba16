"""Calibrants: substances whose rings tell where a detector stands; and how they tell it."""

from aureole.calibration.calibrant import Calibrant, Reflection
from aureole.calibration.calibrant_file import read_calibrant
from aureole.calibration.calibrate import calibrate
from aureole.calibration.calibration import Calibration, RingResidual
from aureole.calibration.catalogue import calibrant, calibrant_names
from aureole.calibration.follow import pick
from aureole.calibration.goniometer import Goniometer
from aureole.calibration.goniometer_calibrate import calibrate_goniometer
from aureole.calibration.goniometer_calibration import GoniometerCalibration
from aureole.calibration.goniometer_fit import GoniometerFit, View, refine_goniometer
from aureole.calibration.pixels import usable_pixels
from aureole.calibration.refine import Fit, RingPoints, refine, residuals
from aureole.calibration.start import Start
from aureole.calibration.transformation import Formulas, Function

__all__ = [
    "Calibrant",
    "Calibration",
    "Fit",
    "Formulas",
    "Function",
    "Goniometer",
    "GoniometerCalibration",
    "GoniometerFit",
    "Reflection",
    "RingPoints",
    "RingResidual",
    "Start",
    "View",
    "calibrant",
    "calibrant_names",
    "calibrate",
    "calibrate_goniometer",
    "pick",
    "read_calibrant",
    "refine",
    "refine_goniometer",
    "residuals",
    "usable_pixels",
]
