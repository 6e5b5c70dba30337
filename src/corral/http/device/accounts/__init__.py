"""What devices and people call when a device is enrolled with an account."""
