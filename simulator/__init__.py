"""A tenant on loopback for the demo, the tests and the benchmarks, with what it stands on. Never deployed."""
