"""All SQL and every change of state, as functions over a session."""
