"""Automated Device Enrollment: servers and their tokens, devices that Apple lists, and the profile that each gets."""
