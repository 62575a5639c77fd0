"""Pages of launches."""
