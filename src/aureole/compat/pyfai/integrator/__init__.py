"""Integrators by pyFAI's names."""
