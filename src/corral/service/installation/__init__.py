"""The installation itself: its status, what it measures, what of it expires, and what is kept for how long."""
