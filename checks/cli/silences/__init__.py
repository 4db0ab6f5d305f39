"""The commands ``silence`` and ``ack``: they write what the app reads, in the app's own storage."""
