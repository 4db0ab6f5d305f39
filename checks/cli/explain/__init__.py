"""The command ``explain``: what a word means, and why a cluster can or cannot pull from a registry."""
