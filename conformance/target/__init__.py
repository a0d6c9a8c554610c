"""The target: its file, its processes, its ports, and whether it is fit to be judged."""
