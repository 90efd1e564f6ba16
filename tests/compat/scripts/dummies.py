"""Bad pixels by value, and what empty bins hold."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data.copy()
img[50:60] = 65535
q, cut = ai.integrate1d(img, 300, dummy=65535, delta_dummy=0, mask=ai.detector.mask)
_, near = ai.integrate1d(img, 300, dummy=65530, delta_dummy=10, mask=ai.detector.mask)
_, beyond = ai.integrate1d(img, 300, radial_range=(1, 90), dummy=-10, method="no")
empty_bins = np.flatnonzero(beyond == beyond[-1])[-50:]
last = beyond[-3:]

# compare: q 1e-6, cut 1e-3, near 1e-3, empty_bins 0, last 0
