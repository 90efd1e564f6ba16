"""A series with dark, flat, mask and monitor, as beamlines do it."""

import fabio
import numpy as np
import pyFAI

ai = pyFAI.load("detector.poni")
dark = np.mean([fabio.open(f"dark_{i}.edf").data for i in range(2)], axis=0)
flat = fabio.open("flat.edf").data
mask = fabio.open("mask.edf").data
gaps = ai.detector.mask
rows = []
for i in range(3):
    frame = fabio.open(f"frame_{i:04d}.edf")
    result = ai.integrate1d(
        frame.data,
        400,
        unit="q_A^-1",
        correctSolidAngle=True,
        polarization_factor=0.95,
        dark=dark,
        flat=flat,
        mask=np.logical_or(mask, gaps),
        normalization_factor=float(frame.header["monitor"]) / 1000,
        error_model="poisson",
    )
    rows.append((result.intensity, result.sigma))
rows = np.array(rows)

# compare: rows 2e-3
