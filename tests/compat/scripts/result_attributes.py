"""What results know."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
result = ai.integrate1d(
    img, 300, unit="2th_deg", error_model="poisson", method=("no", "csr", "cython"), normalization_factor=2.0
)
sums = np.array([result.sum_signal, result.sum_normalization, result.sum_normalization2, result.sum_variance])
pixels = result.count.sum()
errors = np.array([result.sigma, result.sem, result.std])
flags = [result.has_mask_applied is not False, result.has_dark_correction, result.has_flat_correction]
unit = str(result.unit) == "2th_deg", len(result), result.normalization_factor
halved = result.renormalize(4.0).intensity / result.intensity

# compare: sums 2e-2, pixels 1e-3, errors 2e-2, flags 0, unit 0, halved 1e-6
