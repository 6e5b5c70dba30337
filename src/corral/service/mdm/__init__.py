"""The MDM protocol as devices speak it: who they are, check-in, and the command channel."""
