"""What a registry logged: which cluster a call was made by, and what follows from it."""
