"""What devices call. No route here gives a 401 but by the answer of the life cycle."""
