"""``pullwatch classify``: the cause of pull errors that people have as text."""
