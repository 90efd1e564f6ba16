"""A detector on an arm."""

import numpy as np
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from pyFAI.multi_geometry import MultiGeometry

ais = [
    AzimuthalIntegrator(0.2, 0.02, 0.04, 0, -angle, 0, detector="Pilatus100k", wavelength=1e-10)
    for angle in (0.0, 0.1, 0.2)
]
rng = np.random.default_rng(3)
images = [rng.poisson(1000 * ai.solidAngleArray()).astype(np.int32) for ai in ais]
mg = MultiGeometry(ais, unit="2th_deg", radial_range=(3, 14))
radial, intensity, sigma = mg.integrate1d(images, 200, error_model="poisson")

# compare: radial 1e-6, intensity 2e-2, sigma 5e-2
