"""What a device says of itself in its answers to queries, as named and typed facts."""
