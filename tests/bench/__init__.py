"""Benchmarks of launching, finishing, scheduling and pages, beside other software."""
