"""Who may do what: permissions, roles, tokens, users and their sessions."""
