"""One file a resource: what it looks like, and its endpoints."""
