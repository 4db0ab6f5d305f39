"""Azurite as a command: `python -m localhost.storage_server`."""
