"""The local platform, no tenant at all: a Functions host, Azurite, a mail server, processes."""
