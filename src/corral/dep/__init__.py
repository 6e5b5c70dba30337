"""The client of Apple's device enrollment service: which devices an organization owns, and where each one enrolls.

A floor of its own beside `apns`: it knows `apple` and `pki`, and nothing of this service. Source: Apple, "Device
Assignment" and "Authenticating with a Device Enrollment Program (DEP) server"; the signatures are RFC 5849.
"""
