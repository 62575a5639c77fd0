"""Queries of tasks that need attention: they fail, or they can't run."""
