"""Detectors and where they stand: metres and radians, no counts, no files."""

from aureole.geometry.catalogue import model_names
from aureole.geometry.detector import Detector, detector
from aureole.geometry.fit2d import Fit2D
from aureole.geometry.poni import format_poni, parse_poni
from aureole.geometry.pose import Discontinuity, Geometry
from aureole.geometry.sensor import Sensor, sensor_materials

__all__ = [
    "Detector",
    "Discontinuity",
    "Fit2D",
    "Geometry",
    "Sensor",
    "detector",
    "format_poni",
    "model_names",
    "parse_poni",
    "sensor_materials",
]
