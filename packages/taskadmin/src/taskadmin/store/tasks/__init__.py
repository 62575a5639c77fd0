"""Tasks, schedules and pauses."""
