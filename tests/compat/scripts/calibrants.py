"""Where the rings of a calibrant are."""

import pyFAI
from pyFAI.calibrant import CALIBRANT_FACTORY, get_calibrant
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

ai = pyFAI.load("detector.poni")
ceria = get_calibrant("CeO2")
ceria.wavelength = ai.wavelength
rings = ceria.get_2th()[:15]
peaks = ceria.get_peaks("q_nm^-1")[:15]
lab6 = CALIBRANT_FACTORY("LaB6")
lab6.wavelength = 1e-10
spacings = lab6.dSpacing[:10]
agbh = get_calibrant("AgBh").dspacing[:5]
far = AzimuthalIntegrator(dist=3.0, poni1=0.05, poni2=0.04, detector="Pilatus300k", wavelength=1.2e-10)
image = get_calibrant("AgBh").fake_calibration_image(far, resolution=0.05)

# compare: rings 1e-5, peaks 1e-5, spacings 1e-4, agbh 1e-4, image 5e-2
