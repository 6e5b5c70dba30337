"""Packages of apps as they lie on the disk: what they say of themselves, and digests of their chunks."""
