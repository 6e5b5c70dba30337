"""People sign in with the organization's identity provider, and enroll with the account that this proves."""
