"""Events told by calls: what is sent, in which order, and what becomes of what is not taken."""
