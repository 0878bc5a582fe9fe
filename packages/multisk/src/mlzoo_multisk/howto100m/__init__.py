"""HowTo100M: a million instructional videos with what is said in them."""
