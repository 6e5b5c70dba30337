"""Identity certificates of devices: who may have one, how it is issued, and how it is renewed."""
