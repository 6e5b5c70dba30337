"""Inventory is asked for by itself: on a schedule, after changes, and when a person wants it now."""
