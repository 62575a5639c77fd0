"""Servers, processes, jobs, rows and pages that tests share."""
