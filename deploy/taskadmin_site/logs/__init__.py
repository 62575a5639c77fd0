"""Logging of the site's processes."""
