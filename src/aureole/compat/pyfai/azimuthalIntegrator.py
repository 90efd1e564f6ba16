"""Where older scripts import the integrator from."""

from aureole.compat.pyfai.integrator.azimuthal import AzimuthalIntegrator

__all__ = ["AzimuthalIntegrator"]
