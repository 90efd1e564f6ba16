"""Guesses."""

import pyFAI

ai = pyFAI.load("detector.poni")
bins = ai.guess_npt_rad()
most = ai.guess_max_bins(redundancy=5, unit="2th_deg")

# compare: bins 0, most 0.2
