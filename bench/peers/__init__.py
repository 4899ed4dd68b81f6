"""Servers that `vs_naive` compares: ours, and the same work as it is often written."""
