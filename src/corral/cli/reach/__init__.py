"""How a command reaches the admin API: which service, as whom, and what comes back."""
