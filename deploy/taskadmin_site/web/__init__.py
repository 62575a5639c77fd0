"""Requests and responses of the site: hosts and proxies, ids, headers."""
