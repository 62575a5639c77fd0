"""Workers page."""
