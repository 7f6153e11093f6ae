"""Many notebooks from one batch file: the grid of jobs, the processes that run them, the records they leave."""
