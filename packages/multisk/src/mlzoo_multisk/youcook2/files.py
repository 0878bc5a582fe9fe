"""Files of YouCook2. Imports nothing heavy."""

from __future__ import annotations

TEST_PICKLE, TRAIN_PICKLE = "youcook_val.pkl", "youcook_train.pkl"
TEST_CSV, TRAIN_CSV = "validation_youcook.csv", "training_youcook.csv"
FEATURES = "features"
TEST_FILES = {"pickle": TEST_PICKLE, "csv": TEST_CSV}
"""By layout, the file without which it is not there."""

COMPLETE = 3350
"""Clips of the validation videos, which are the test set of retrieval."""
