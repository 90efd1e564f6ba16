"""Where errors come from."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
poisson = ai.integrate1d(img, 200, error_model="poisson", method=("no", "csr", "cython")).sigma
given = ai.integrate1d(img, 200, variance=np.maximum(img, 1.0), method=("no", "csr", "cython")).sigma
scatter = ai.integrate1d(img, 200, error_model="azimuthal", method=("no", "csr", "cython"))
none = ai.integrate1d(img, 200).sigma is None
sem, std = scatter.sem, scatter.std
spots = scatter.calc_spottiness()

# compare: poisson 2e-3, given 2e-3, sem 2e-2, std 2e-2, none 0, spots 5e-2
