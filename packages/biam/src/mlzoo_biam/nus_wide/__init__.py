"""NUS-WIDE: its official files, packing, loading, examination, and a demo world."""
