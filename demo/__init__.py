"""`python -m simulator.demo`: the whole path on one machine, told as it happens, and checked at its end."""
