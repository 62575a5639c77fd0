"""Upgrades of running processes from earlier versions, and back."""
