"""Small angles: a detector far away, units of radius and of the logarithm of q."""

import numpy as np
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

ai = AzimuthalIntegrator(dist=3.0, poni1=0.05, poni2=0.04, detector="Pilatus300k", wavelength=1.2e-10)
q = ai.qArray()
img = np.random.default_rng(5).poisson(1000 / (1 + (10 * q) ** 2)).astype(np.int32)
in_q, intensity = ai.integrate1d(img, 200, unit="q_nm^-1", error_model="poisson")[:2]
in_mm, _ = ai.integrate1d(img, 200, unit="r_mm")
in_log, along_log = ai.integrate1d(img, 100, unit="log10(q.m)_None", radial_range=(7.5, 9))
good = along_log > 0

# compare: in_q 1e-6, intensity 5e-3, in_mm 1e-6, in_log 1e-6, along_log 2e-2
