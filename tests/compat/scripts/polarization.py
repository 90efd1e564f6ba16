"""With and without polarization."""

import fabio
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
correction = ai.polarization(img.shape, 0.95)
turned = ai.polarization(factor=0.8, axis_offset=0.3)
_, with_it = ai.integrate1d(img, 200, polarization_factor=0.95)
_, without = ai.integrate1d(img, 200)
ratio = with_it / without

# compare: correction 1e-6, turned 1e-6, ratio 1e-4
