"""Pushes: the certificate they need, and sending them."""
