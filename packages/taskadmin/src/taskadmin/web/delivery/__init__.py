"""How responses are sent: compressed, and static files to keep."""
