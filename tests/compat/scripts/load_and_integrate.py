"""The first script of everybody."""

import fabio
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
q, intensity = ai.integrate1d(img, 1000)
tth, in_degrees = ai.integrate1d(img, 500, unit="2th_deg", method=("bbox", "csr", "cython"))

# compare: q 1e-6, intensity 1e-3, tth 1e-6, in_degrees 1e-3
