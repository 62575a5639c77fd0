"""Notices, messages, and receivers of them."""
