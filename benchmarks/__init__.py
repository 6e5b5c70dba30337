"""What every figure that Corral claims is measured with: `python -m benchmarks`, see README.md."""
