"""The inventory: what devices say is taken in, asked for, and given out."""
