"""A film under a grazing beam."""

import fabio
import numpy as np
import pyFAI

fi = pyFAI.load("detector.poni", type_="FiberIntegrator")
img = fabio.open("frame_0000.edf").data
stands = {"incident_angle": 0.2, "tilt_angle": 1.0, "angle_unit": "deg", "sample_orientation": 3}
result = fi.integrate2d_grazing_incidence(img, npt_ip=80, npt_oop=60, **stands)
cake, inplane, outofplane = result.intensity, result.inplane, result.outofplane
kept = [fi.incident_angle, fi.tilt_angle, fi.sample_orientation]
along, rod = fi.integrate1d_grazing_incidence(
    data=img, npt_oop=100, npt_ip=100, ip_range=(-5, 5), oop_range=(-20, 20), vertical_integration=True
)[:2]
rod = rod[2:-2]
polar = fi.integrate2d_polar(data=img, npt_ip=50, npt_oop=40, radial_unit="A^-1")
turned = fi.integrate2d_polar(data=img, npt_ip=40, npt_oop=50, rotate=True)
ring = fi.integrate1d_polar(data=img, npt_ip=50, npt_oop=40)
shapes = polar.intensity.shape, turned.intensity.shape
mean = np.array([polar.intensity.mean(), turned.intensity.mean()])
q = ring.integrated
exits = fi.integrate2d_exitangles(data=img, npt_ip=40, npt_oop=40)
horizontal, vertical = exits.inplane, exits.outofplane

# compare: cake 0.2, inplane 1e-4, outofplane 1e-4, kept 1e-9, along 1e-6, rod 5e-2, shapes 0, mean 1e-2
# compare: q 1e-4, horizontal 1e-4, vertical 1e-4
