"""Simulated devices and stand-ins for Apple's services, as strict as the real ones."""
