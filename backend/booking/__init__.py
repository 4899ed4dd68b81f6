"""Booked talks: free times, five-minute holds, and no time given to two people."""
