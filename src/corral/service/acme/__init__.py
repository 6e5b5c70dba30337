"""Certificates by ACME (RFC 8555, draft-acme-device-attest-01): nonces, who calls, and the life of an order."""
