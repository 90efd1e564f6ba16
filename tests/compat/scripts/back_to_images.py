"""Patterns made images again."""

import fabio
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
tth, intensity = ai.integrate1d(img, 300, unit="2th_deg", polarization_factor=0.95)
image = ai.calcfrom1d(tth, intensity, shape=img.shape, dim1_unit="2th_deg", polarization_factor=0.95)
cake, radial, azimuthal = ai.integrate2d(img, 100, 36, unit="2th_deg")
again = ai.calcfrom2d(cake, radial, azimuthal, shape=img.shape, dim1_unit="2th_deg")
middle = again[150:190, 200:300]

# compare: image 1e-2, middle 0.2
