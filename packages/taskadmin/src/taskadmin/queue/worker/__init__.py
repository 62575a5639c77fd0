"""The worker around the executor: heartbeat, time limits, termination, lifecycle."""
