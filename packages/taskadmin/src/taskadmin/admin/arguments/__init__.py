"""Forms for a job's arguments, and arguments as text."""
