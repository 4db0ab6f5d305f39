"""The commands that read what the app keeps: the changes of a cluster, the runs, and whether it all agrees."""
