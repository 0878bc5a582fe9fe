"""Files of MSR-VTT. Imports nothing heavy."""

from __future__ import annotations

TEST_PICKLE, TRAIN_PICKLE = "msrvtt_jsfusion_test.pkl", "msrvtt_jsfusion_train.pkl"
TEST_CSV, TRAIN_LIST, CAPTIONS_JSON = (
    "msrvtt_test.csv",
    "MSRVTT_train.{train_list}.csv",
    "MSRVTT_data.json",
)
FEATURES = "features"
TEST_FILES = {"pickle": TEST_PICKLE, "csv": TEST_CSV}
"""By layout, the file without which it is not there."""

COMPLETE, PRESENT = 1000, 968
"""Clips of the jsfusion test set, and those of the published features, which recall is computed of."""
