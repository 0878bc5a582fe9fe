"""Where datasets lie, whether they are whole, and how to read them safely."""
