"""Detectors by name and by the size of their pixels."""

import numpy as np
import pyFAI
from pyFAI.detectors import ALL_DETECTORS, Detector, Pilatus1M
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

eiger = pyFAI.detector_factory("eiger_1m")
shapes = [eiger.shape, Pilatus1M().shape, pyFAI.detector_factory("Pilatus 300k").shape]
masked = eiger.mask.sum()
count = len(ALL_DETECTORS) > 50
own = Detector(pixel1=1e-4, pixel2=2e-4, max_shape=(100, 120))
own.mask = np.eye(100, 120)
ai = AzimuthalIntegrator(dist=0.1, poni1=0.005, poni2=0.012, detector=own)
tth, intensity = ai.integrate1d(np.arange(12000.0).reshape(100, 120), 50, unit="r_mm")
p1, p2, _ = own.calc_cartesian_positions()

# compare: shapes 0, masked 0, count 0, tth 1e-6, intensity 1e-2, p1 1e-6, p2 1e-6
