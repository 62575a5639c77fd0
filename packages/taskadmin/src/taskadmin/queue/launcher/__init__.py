"""The launcher: turns and their steps."""
