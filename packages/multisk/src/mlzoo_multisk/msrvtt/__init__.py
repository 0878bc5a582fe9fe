"""MSR-VTT, with the jsfusion test set."""
