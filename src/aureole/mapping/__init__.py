"""Scans of many positions: which frame was where, maps, and tomograms of patterns."""
