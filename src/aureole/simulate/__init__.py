"""A beamline in software: scans to try things on, with known truth."""

from aureole.simulate.powder import Exposure, Powder
from aureole.simulate.scans import ScanFiles, hard_link_series, write_eiger_scan, write_scan

__all__ = ["Exposure", "Powder", "ScanFiles", "hard_link_series", "write_eiger_scan", "write_scan"]
