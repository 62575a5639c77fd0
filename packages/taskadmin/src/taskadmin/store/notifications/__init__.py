"""Notifications: channels and rules, the search for events, and messages."""
