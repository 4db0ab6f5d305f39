"""What Pullwatch needs to see everything: what of it is in place, what is missing, what is lost without it. Pure."""
