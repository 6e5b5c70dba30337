"""What a service says of itself, one line an event: the closed set of lines, and how they are written."""
