"""pyFAI's names on Aureole's kernels: change the import, and a script goes on as it was.

``from aureole.compat.pyfai import load, AzimuthalIntegrator`` in the place of ``import pyFAI``. The
conventions are pyFAI's where the two differ: a mask replaces the detector's, empty bins are 0, and Poisson
errors are those of at least one count a pixel.
"""

from aureole.compat.pyfai.detectors import Detector, detector_factory
from aureole.compat.pyfai.geometry import Geometry
from aureole.compat.pyfai.integrator import AzimuthalIntegrator, load
from aureole.compat.pyfai.multi import MultiGeometry
from aureole.compat.pyfai.results import Integrate1dResult, Integrate2dResult

__all__ = [
    "AzimuthalIntegrator",
    "Detector",
    "Geometry",
    "Integrate1dResult",
    "Integrate2dResult",
    "MultiGeometry",
    "detector_factory",
    "load",
]
