"""What somebody tells once, and whom they let read it."""
