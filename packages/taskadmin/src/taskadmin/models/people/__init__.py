"""Tables for taskadmin's own accounts."""
