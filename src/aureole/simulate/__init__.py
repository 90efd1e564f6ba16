"""A beamline in software: scans to try things on, with known truth."""

from aureole.simulate.experiment import Beamline, Experiment
from aureole.simulate.phantom import Phantom, Region, sample
from aureole.simulate.powder import Exposure, Powder
from aureole.simulate.raster import MapScan
from aureole.simulate.rendering import Released, Rendered, check_rate, release, render
from aureole.simulate.scans import ScanFiles, hard_link_series, write_eiger_scan, write_scan
from aureole.simulate.tomogram import XrdctScan

__all__ = [
    "Beamline",
    "Experiment",
    "Exposure",
    "MapScan",
    "Phantom",
    "Powder",
    "Region",
    "Released",
    "Rendered",
    "ScanFiles",
    "XrdctScan",
    "check_rate",
    "hard_link_series",
    "release",
    "render",
    "sample",
    "write_eiger_scan",
    "write_scan",
]
