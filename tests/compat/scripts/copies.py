"""Copies, configurations, and geometries that become integrators."""

import copy

import pyFAI
from pyFAI.geometry import Geometry

geometry = Geometry.sload("detector.poni")
config = geometry.get_config()
again = Geometry().set_config(config)
ai = again.promote("AzimuthalIntegrator")
other = copy.deepcopy(ai)
other.dist = 1.0
by_dict = pyFAI.load(
    {
        "poni_version": 2,
        "detector": "Pilatus100k",
        "detector_config": {},
        "dist": 0.2,
        "poni1": 0.01,
        "poni2": 0.02,
        "rot1": 0,
        "rot2": 0,
        "rot3": 0,
        "wavelength": 1e-10,
    }
)
numbers = [ai.dist, other.dist, ai.poni1, by_dict.dist, by_dict.wavelength, config["rot3"]]
ai.set_param((0.3, 0.01, 0.02, 0, 0.1, 0))
param = [ai.dist, ai.rot2]
shape = by_dict.detector.shape

# compare: numbers 1e-12, param 1e-12, shape 0
