"""pyFAI's names on Aureole's kernels: change the import, and a script goes on as it was.

``import aureole.compat.pyfai as pyFAI``, or ``aureole.compat.pyfai`` wherever a script says ``pyFAI``. The
conventions are pyFAI's where the two differ: a mask replaces the detector's, empty bins are 0, Poisson
errors are those of at least one count a pixel, and the efficiency of the sensor is left alone.
"""

from aureole.compat.pyfai import calibrant, containers, detectors, geometry, multi_geometry, units
from aureole.compat.pyfai.calibrant import CALIBRANT_FACTORY, get_calibrant
from aureole.compat.pyfai.containers import Integrate1dResult, Integrate2dResult
from aureole.compat.pyfai.detectors import Detector, detector_factory
from aureole.compat.pyfai.geometry import Geometry
from aureole.compat.pyfai.integrator.azimuthal import AzimuthalIntegrator, load
from aureole.compat.pyfai.integrator.fiber import FiberIntegrator
from aureole.compat.pyfai.multi_geometry import MultiGeometry
from aureole.version import __version__ as version

__all__ = [
    "CALIBRANT_FACTORY",
    "AzimuthalIntegrator",
    "Detector",
    "FiberIntegrator",
    "Geometry",
    "Integrate1dResult",
    "Integrate2dResult",
    "MultiGeometry",
    "calibrant",
    "containers",
    "detector_factory",
    "detectors",
    "geometry",
    "get_calibrant",
    "load",
    "multi_geometry",
    "units",
    "version",
]
