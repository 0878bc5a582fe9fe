"""Multi-SK (ICCV 2023), Everything at Once (CVPR 2022) and retrieval between text, video and audio. Names are
imported on first use; listing imports no torch."""

from __future__ import annotations

__version__ = "0.1.0"
