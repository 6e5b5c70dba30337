"""The admin API: JSON over the services, for people with a token and for the owner of the installation."""
