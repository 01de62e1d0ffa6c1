"""Delivers events: claims them, sends them with no transaction open, marks them after the acknowledgement."""
