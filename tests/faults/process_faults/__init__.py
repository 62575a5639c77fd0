"""Faults of processes, of their clocks and of their messages."""
