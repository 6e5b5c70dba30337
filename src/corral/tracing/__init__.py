"""OpenTelemetry: what a command goes through as spans of one trace, sent by OTLP.

A room that is entered only where the standard environment variables ask for it (`wiring/traces.py`): else nothing of
OpenTelemetry is imported, nor need it be installed.
"""
