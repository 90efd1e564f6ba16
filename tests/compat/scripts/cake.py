"""A cake, for imshow."""

import fabio
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

ai = AzimuthalIntegrator.sload("detector.poni")
img = fabio.open("frame_0000.edf").data
cake, radial, azimuthal = ai.integrate2d(img, 200, 90, unit="2th_deg", method=("full", "csr", "cython"))
extent = [radial.min(), radial.max(), azimuthal.min(), azimuthal.max()]
inner = cake[2:-2, 2:-2]
profile = cake[10:30].mean(axis=0)

# compare: inner 5e-2, extent 1e-4, profile 2e-2
