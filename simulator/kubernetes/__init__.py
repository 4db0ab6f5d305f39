"""The API servers of all clusters, and Run Command on their objects."""
