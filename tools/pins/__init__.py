"""What is pinned: the files of pins, how they are installed by their hashes, and how newer ones are found."""
