"""Personal API tokens: pages, and who sends a request."""
