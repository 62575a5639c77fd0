"""Runs: inserting rows, reading them, and every change of state."""
