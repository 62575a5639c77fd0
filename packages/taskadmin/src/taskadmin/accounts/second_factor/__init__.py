"""The second factor: set up in the profile, asked for after the password."""
