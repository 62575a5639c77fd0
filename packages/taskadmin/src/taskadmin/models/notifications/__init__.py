"""Tables of notifications: channels, rules, and what there is to tell."""
