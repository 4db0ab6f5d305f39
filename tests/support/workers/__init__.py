"""Worker processes on the real queues: several of them make one run between them, and one of them may die."""
