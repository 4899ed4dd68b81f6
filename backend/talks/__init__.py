"""The talk itself: a human therapist writes with somebody in the same window."""
