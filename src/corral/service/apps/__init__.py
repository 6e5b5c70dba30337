"""In-house apps: kept with their manifests, put onto devices, and what devices say of them."""
