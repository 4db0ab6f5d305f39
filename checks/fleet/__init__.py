"""What is shown of the whole fleet, out of what history holds: its clusters, its incidents, who uses a registry."""
