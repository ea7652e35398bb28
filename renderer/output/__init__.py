"""Waveforms -> files people open: audio with its recipe, and the report."""
