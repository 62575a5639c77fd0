"""Code that all pages share, including the login pages."""
