"""Measurements that people run: `python -m benchmarks.<name>`."""
