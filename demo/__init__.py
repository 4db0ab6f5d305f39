"""`python -m demo`: the whole path on one machine, told as it happens, and checked at its end."""
