"""Features of many images as plain arrays on disk, of which rows are read."""
