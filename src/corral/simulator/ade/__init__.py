"""A stand-in for Apple's device enrollment service, as strict as Apple's: real HTTP over TLS, faults on demand."""
