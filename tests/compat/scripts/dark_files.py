"""Dark, flat and mask that stay with the integrator."""

import fabio
import pyFAI

ai = pyFAI.load("detector.poni")
ai.set_darkfiles(["dark_0.edf", "dark_1.edf"])
ai.set_flatfiles("flat.edf")
ai.mask = fabio.open("mask.edf").data | ai.detector.mask
img = fabio.open("frame_0000.edf").data
q, intensity = ai.integrate1d(img, 250)
corrected, _ = ai.dark_correction(img)
level = corrected.mean()
masked = ai.get_mask().sum()
dark = ai.get_darkcurrent().mean()

# compare: q 1e-6, intensity 2e-3, level 1e-5, masked 0, dark 1e-5
