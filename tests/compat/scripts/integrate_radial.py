"""Intensity around a ring."""

import fabio
import pyFAI

method = ("no", "csr", "cython")

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
chi, around = ai.integrate_radial(
    img,
    60,
    radial_range=(18, 23),
    radial_unit="q_nm^-1",
    azimuth_range=(-170, 170),
    method=method,
)

# compare: chi 1e-3, around 5e-2
