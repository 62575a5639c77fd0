"""``@job`` and what it derives from a function: signature, docstring, options."""
