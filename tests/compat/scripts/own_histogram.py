"""Arrays of coordinates, and an integration of one's own."""

import fabio
import numpy as np
import pyFAI
from pyFAI import units

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
q = ai.center_array(img.shape, unit=units.Q_A)
good = ai.detector.mask == 0
weight, edges = np.histogram(q[good], 100, weights=(img / ai.solidAngleArray())[good])
count, _ = np.histogram(q[good], 100)
profile = weight / np.maximum(count, 1)
arrays = np.array([ai.qArray(), ai.rArray(), ai.chiArray(), ai.array_from_unit(unit="2th_deg")])
corner = ai.corner_array(unit="r_mm")[..., 0]
delta = ai.delta_array(unit="q_nm^-1")
place = ai.position_array()

# compare: profile 2e-2, edges 1e-6, arrays 1e-5, corner 1e-5, delta 1e-2, place 1e-6
