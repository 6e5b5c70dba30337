"""What people and time do to connections: end, block, take over, sweep, return to service."""
