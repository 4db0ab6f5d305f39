"""The wire: the one opener of connections, the errors it can end with, and reads that are shared."""
