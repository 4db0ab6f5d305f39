"""HTTP answers: what a request may ask, and what it gets."""
