"""One's own images with a table of tags."""
