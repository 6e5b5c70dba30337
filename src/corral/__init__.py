"""Corral: a device management (MDM) service for Apple devices."""

__version__ = "0.1.0"
