"""The doctor's checks, by topic."""
