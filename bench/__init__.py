"""Benchmarks: unheld beside a peer on the same data, in the same run. Nothing here is part of the test suite."""
