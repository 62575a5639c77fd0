"""Dashboard and failures pages."""
