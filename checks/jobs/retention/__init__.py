"""What is old goes out of storage, a bounded piece of it at a time."""
