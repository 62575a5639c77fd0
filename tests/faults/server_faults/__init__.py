"""Faults of the database, the broker and the links to them."""
