"""What launching, finishing, scheduling and pages cost, beside other software on the same machine."""
