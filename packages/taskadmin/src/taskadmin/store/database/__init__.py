"""Database access: transactions, the clock, dialect differences, error kinds."""
