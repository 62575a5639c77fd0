"""Column types that can be read whatever a row contains."""
