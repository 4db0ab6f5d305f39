"""``pullwatch scan``: what is looked at, and how it is shown."""
