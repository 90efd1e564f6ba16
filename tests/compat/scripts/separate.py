"""Bragg peaks apart from the powder, and holes filled."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data.astype(np.float32)
img[200:203, 300:303] += 5000
bragg, amorphous = ai.separate(img, 150, percentile=50, method=("no", "csr", "cython"))
peak = bragg[201, 301]
good = ai.detector.mask == 0
smooth = amorphous[good]
mask = ai.detector.mask | fabio.open("mask.edf").data
filled = ai.inpainting(img, mask, npt_rad=300, npt_azim=90)
level = [np.median(filled[mask != 0]), filled[mask == 0].mean()]

# compare: peak 1e-2, smooth 5e-2, level 5e-2
