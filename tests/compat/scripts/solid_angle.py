"""Solid angles, and a correction by hand."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data.astype(float)
relative = ai.solidAngleArray(img.shape)
steradian = ai.solidAngleArray(absolute=True)
good = ai.detector.mask == 0
by_hand = np.where(good, img / relative, img)
_, with_it = ai.integrate1d(img, 200, correctSolidAngle=True)
_, by_myself = ai.integrate1d(by_hand, 200, correctSolidAngle=False)
cosine = ai.calc_transmission(0.3)

# compare: relative 1e-6, steradian 1e-6, with_it 1e-3, by_myself 1e-3, cosine 1e-6
