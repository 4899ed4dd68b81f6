"""Coming back with a code: one way in for bookings and concerns, in the chat and on a page."""
