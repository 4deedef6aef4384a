"""Workspaces: each a dock layout for one kind of work."""
