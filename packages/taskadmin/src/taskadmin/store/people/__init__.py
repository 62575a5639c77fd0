"""Users, usernames, and the audit trail."""
