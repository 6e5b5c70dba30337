"""Leases work and calls a service verb. Decides nothing itself."""
