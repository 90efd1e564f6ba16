"""Sums and differences of results, and cakes summed to patterns."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
options = {"error_model": "poisson", "method": ("no", "csr", "cython")}
img = fabio.open("frame_0000.edf").data
one, two = ai.integrate1d(img, 200, **options), ai.integrate1d(img, 200, dark=0.1 * abs(img), **options)
total = np.array((one + two)[1:])
less = (one - two).sigma
both = np.array(one.union(two)[1:])
cake = ai.integrate2d(fabio.open("frame_0000.edf").data, 100, 36, **options)
summed = cake.rebin1d()
pattern = summed.intensity, summed.sigma

# compare: total 5e-3, less 5e-3, both 5e-3, pattern 1e-2
