"""Open Images v4: its official files, the crawl of its images, packing, loading, and a demo world."""
