"""Faults on real processes: each is done to beat, launcher, workers and servers of its own."""
