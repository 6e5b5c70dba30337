"""Thin faces over the service: bytes in, an answer out."""
