"""Numbers from Fit2D."""

import fabio
from pyFAI.azimuthalIntegrator import AzimuthalIntegrator

ai = AzimuthalIntegrator(detector="Pilatus300k", wavelength=0.7e-10)
ai.setFit2D(120.5, 250.3, 305.7, tilt=2.5, tiltPlanRotation=33.0)
numbers = [ai.dist, ai.poni1, ai.poni2, ai.rot1, ai.rot2, ai.rot3]
f2d = ai.getFit2D()
back = [f2d["directDist"], f2d["centerX"], f2d.centerY, f2d.tilt, f2d.tiltPlanRotation, f2d["wavelength"]]
q, intensity = ai.integrate1d(fabio.open("frame_0001.edf").data, 300, method="splitpixel")

# compare: numbers 1e-9, back 1e-9, q 1e-6, intensity 1e-2
