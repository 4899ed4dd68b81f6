"""Somebody tells about a worry: taken in word for word, sent to the right unit, its legal clocks started."""
