"""Automatic Certificate Management Environment (RFC 8555): what goes over the wire, as values; no I/O, no clock."""
