"""Read-only queries for pages and health checks."""
