"""What each page shows, as bounded texts: one module for each page, and what they share."""
