"""Helpers for tests, demos and benchmarks: synthetic data and attackers. Nothing here searches people."""
