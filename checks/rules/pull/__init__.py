"""How each image gets permission, what nodes report of pulls, canaries, and the causes of pull errors."""
