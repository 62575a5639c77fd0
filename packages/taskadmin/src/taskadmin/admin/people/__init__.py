"""Pages of users and of the audit trail."""
