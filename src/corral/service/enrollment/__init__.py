"""The ways in: who asks, what the admission policy says, and the grant and profile that come of it."""
