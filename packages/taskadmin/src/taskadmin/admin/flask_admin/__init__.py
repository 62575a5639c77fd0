"""Base classes over Flask-Admin: access, model view, forms, search, export."""
