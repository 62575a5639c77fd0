"""Faults injected into real processes: beat, launcher, workers and servers."""
