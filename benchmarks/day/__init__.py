"""A large fleet over a working day that is over in minutes: `python -m benchmarks.day`. See benchmarks/README.md."""
