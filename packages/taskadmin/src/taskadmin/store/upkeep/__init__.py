"""Maintenance by the launcher: recovery, pruning, minute counts, processes."""
