"""The command ``doctor``: what Pullwatch may see, what is missing, and whether its mail arrives."""
