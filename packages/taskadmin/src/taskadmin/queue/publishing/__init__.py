"""Publish messages for runs to the broker."""
