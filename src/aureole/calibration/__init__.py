"""Calibrants: substances whose rings tell where a detector stands."""

from aureole.calibration.calibrant import Calibrant, Reflection
from aureole.calibration.calibrant_file import read_calibrant
from aureole.calibration.catalogue import calibrant, calibrant_names

__all__ = ["Calibrant", "Reflection", "calibrant", "calibrant_names", "read_calibrant"]
