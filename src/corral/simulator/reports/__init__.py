"""What simulated devices tell of themselves, one file a subject; each answer has the keys that the device's system,
channel and enrollment have by Apple's schema, and no others."""
