"""Certificates and signatures: bytes in, values out. No file, no network, no clock."""
