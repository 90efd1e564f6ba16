"""A mask made of azimuths and radii."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
chi = ai.chiArray(img.shape)
tth = np.degrees(ai.twoThetaArray(img.shape))
mask = (chi > 1.0) & (chi < 2.0) | (tth > 25)
mask |= ai.detector.mask.astype(bool)
q, intensity = ai.integrate1d(img, 250, mask=mask)
share = mask.mean()
made = ai.create_mask(img, mask=mask, dummy=-2, delta_dummy=0.5)
invalid = made.sum()

# compare: q 1e-6, intensity 1e-3, share 1e-4, invalid 1e-4
