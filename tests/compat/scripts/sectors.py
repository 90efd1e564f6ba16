"""Patterns of sectors."""

import fabio
import numpy as np
import pyFAI

method = ("no", "csr", "cython")

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
sectors = [
    ai.integrate1d(img, 150, azimuth_range=(start, start + 40), radial_range=(5, 30), method=method)
    for start in (-160, -90, 0, 60)
]
intensity = np.array([sector.intensity for sector in sectors])
radial = sectors[0].radial

# compare: radial 1e-6, intensity 1e-2
