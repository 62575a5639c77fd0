"""Rows for tests, added with the store's functions or directly."""
