"""Apple's wire formats as plain values: no I/O, no clock, no database."""
