"""Pixels that form no flat grid, against the peer: where they are, what they see, and how they are shared out."""

import warnings

import numpy as np
import pytest
from pyFAI.detectors import ALL_DETECTORS, detector_factory
