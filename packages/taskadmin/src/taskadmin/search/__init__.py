"""The search language of lists: words and qualifiers, for pages and the API."""
