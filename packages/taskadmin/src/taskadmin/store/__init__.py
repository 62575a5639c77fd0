"""All SQL and every state change, as functions that take a session."""
