"""Danger that rings at those on duty: when, how near and where from, never a word of what was told."""
