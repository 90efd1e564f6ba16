"""The median of each ring, and the mean between two percentiles."""

import fabio
import pyFAI

method = ("no", "csr", "cython")

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
median = ai.medfilt1d_ng(img, 100, unit="2th_deg", percentile=50, method=method).intensity
trimmed = ai.medfilt1d_ng(img, 100, unit="2th_deg", percentile=(20, 80), method=method).intensity

# compare: median 1e-2, trimmed 1e-2
