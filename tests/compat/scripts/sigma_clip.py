"""Clip what stands out of the rings."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data.astype(np.float32)
between = {"unit": "2th_deg", "radial_range": (13.3, 14.4)}  # no ring is there
clipped = ai.sigma_clip(img, 20, thres=4, max_iter=5, error_model="poisson", **between)
intensity, sigma = clipped.intensity[1:], clipped.sigma[1:]
rng = np.random.default_rng(1)
img[rng.integers(0, 619, 300), rng.integers(0, 487, 300)] = 1e5
scatter = ai.sigma_clip_ng(img, 100, thres=0, error_model="azimuthal")
mean, error = scatter.intensity, scatter.sigma
hybrid = ai.sigma_clip_ng(img, 100, thres=4, error_model="hybrid")
mixed, counted = hybrid.intensity, hybrid.sigma

# compare: intensity 2e-3, sigma 5e-3, mean 5e-3, error 5e-3, mixed 5e-3, counted 5e-3
