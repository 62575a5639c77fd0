"""Servers, processes, rows and messages of a repetition."""
