"""Coordinates of single points."""

import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
d1, d2 = np.array([10.0, 200.5, 400.0]), np.array([20.0, 300.25, 480.0])
tth, q, r, chi = ai.tth(d1, d2), ai.qFunction(d1, d2), ai.rFunction(d1, d2), ai.chi(d1, d2)
corner = ai.tth_corner(d1, d2)
z, y, x = ai.calc_pos_zyx(d1=d1, d2=d2)
cosine = ai.cos_incidence(d1, d2)

# compare: tth 1e-6, q 1e-6, r 1e-6, chi 1e-6, corner 1e-6, z 1e-6, y 1e-6, x 1e-6, cosine 1e-6
