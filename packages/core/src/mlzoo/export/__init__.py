"""A finished run in the formats of others: ``mlzoo export RUN --to FORMAT``.

Everything in a file comes from the run's folder and from specs; nothing is guessed.
"""

from __future__ import annotations

FORMATS = {
    "hf-card": "a model card with metadata of the Hugging Face hub",
    "safetensors": "the selected weights, named tensors",
    "onnx": "a feature-level network, compared with torch",
    "mteb-json": "results files in MTEB's schema",
}
"""By name, with what is written."""

EXTRA = "python -m pip install 'mlzoo-core[export]'"
"""What brings the libraries that formats need."""
