"""What each kind of resource answers: one module for each."""
