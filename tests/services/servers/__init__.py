"""Servers and processes for tests: existing ones, or started for the test run."""
