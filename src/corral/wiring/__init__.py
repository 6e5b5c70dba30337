"""What the service is made of, wired part by part; `corral.app` puts the parts together."""
