"""What a whole scan comes to: what is broken and shares its cause, how many clusters can pull, what changed. Pure."""
