"""Configuration profiles: read, kept in versions, installed and removed, and compared with what devices really have."""
