"""Cron expressions: parsing, due times, and descriptions."""
