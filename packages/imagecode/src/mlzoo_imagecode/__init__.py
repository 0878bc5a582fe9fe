"""ImageCoDe (ACL 2022): image retrieval from contextual descriptions. Names are imported on first use;
listing imports no torch."""

from __future__ import annotations

__version__ = "0.1.0"
