"""Patterns and cakes as files."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
img = fabio.open("frame_0000.edf").data
ai.integrate1d(img, 300, filename="pattern.dat", unit="2th_deg", error_model="poisson")
ai.integrate2d(img, 100, 36, filename="cake.edf")
pattern = np.loadtxt("pattern.dat")
cake = fabio.open("cake.edf").data[2:-2, 2:-2]

# compare: pattern 2e-3, cake 5e-2
