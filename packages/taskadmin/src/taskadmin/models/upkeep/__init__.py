"""Tables for taskadmin's own use: processes, durations, counts."""
