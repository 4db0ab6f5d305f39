"""A cluster's own API: pods, events, pull secrets and canary pods, directly or through Run Command."""
