"""What is taken out of the tables when it is old, and what stays in its place."""
