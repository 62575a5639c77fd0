"""A job's arguments: stored form, validation errors, masking of secrets."""
