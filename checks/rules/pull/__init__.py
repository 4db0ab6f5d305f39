"""How images get permission, the pulls that nodes report, canaries, and the causes of pull errors."""
