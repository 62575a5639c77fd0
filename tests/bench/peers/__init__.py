"""The peers, each used as its documentation shows, in a separate environment."""
