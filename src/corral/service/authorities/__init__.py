"""The certificate authorities of the installation: which there are, and how one follows another."""
