"""One page of a report, with everything in it: no network, no other file."""
