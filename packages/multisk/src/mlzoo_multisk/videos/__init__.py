"""One's own videos as a dataset of the task."""
