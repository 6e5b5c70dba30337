"""Secrets of devices in keeping: how they come in, and how people get them, never without an event."""
