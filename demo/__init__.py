"""`python -m demo`: the whole path on one machine, shown as it happens, and checked at its end."""
