"""Rendering, headers and errors: the one home of templates and static files."""
