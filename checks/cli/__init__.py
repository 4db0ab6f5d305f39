"""The command line: how a report is shown in a terminal, and the filter that classifies pull errors."""
