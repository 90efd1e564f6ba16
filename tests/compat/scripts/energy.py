"""Wavelengths and energies."""

import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
before = ai.energy
ai.energy = 30.0
after = ai.wavelength
ai.set_wavelength(1e-10)
q = ai.qArray()
constants = [pyFAI.units.hc, ai.get_energy(), ai.get_wavelength()]
tth = 2 * np.arcsin(q * 1e9 * ai.wavelength / 4 / np.pi)

# compare: before 1e-9, after 1e-9, q 1e-5, constants 1e-9, tth 1e-5
