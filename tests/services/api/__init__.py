"""The JSON API: programs that call it, and its document."""
