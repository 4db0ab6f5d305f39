"""Commands that show what the app has kept: history, runs, incidents, and whether they agree with the states."""
