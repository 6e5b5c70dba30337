"""The examinations of `corral doctor`, by what they look at. Each returns findings and never fails itself."""
