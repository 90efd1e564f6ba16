"""Calibrants: substances whose rings tell where a detector stands."""

from aureole.calibration.calibrant import Calibrant, Reflection, calibrant, calibrant_names

__all__ = ["Calibrant", "Reflection", "calibrant", "calibrant_names"]
