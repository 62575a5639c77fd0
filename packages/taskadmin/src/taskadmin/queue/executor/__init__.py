"""Execute the runs of a message: take, call, record."""
