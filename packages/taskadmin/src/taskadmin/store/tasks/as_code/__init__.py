"""Tasks as files under version control."""
