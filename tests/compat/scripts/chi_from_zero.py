"""Azimuths from 0 to 360 degrees: a sector over the negative fast axis."""

import fabio
import pyFAI

method = ("no", "csr", "cython")

ai = pyFAI.load("detector.poni")
ai.setChiDiscAtZero()
img = fabio.open("frame_0000.edf").data
chi = ai.chiArray()
q, intensity = ai.integrate1d(img, 200, azimuth_range=(160, 200), unit="q_A^-1", method=method)
_, _, azimuthal = ai.integrate2d(img, 100, 36, azimuth_range=(0, 360))

# compare: chi 1e-5, q 1e-5, intensity 1e-2, azimuthal 1e-3
