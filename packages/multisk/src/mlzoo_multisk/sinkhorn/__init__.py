"""Plans that assign every sample to several anchors at once: Multi-Sinkhorn-Knopp.

Letters of shapes: B samples (rows), K anchors (columns, and slices of a plan), M slices that differ, r
anchors that a sample is assigned to; * stands for several problems side by side, or for nothing.
"""

from mlzoo_multisk.sinkhorn.arithmetic import ARITHMETICS, Arithmetic, linear_or_log
from mlzoo_multisk.sinkhorn.plan import GUARD, Plan, multi_sinkhorn
from mlzoo_multisk.sinkhorn.spread import Spread, spread_of
from mlzoo_multisk.sinkhorn.targets import assignment_targets, assignments_of, min_max

__all__ = [
    "ARITHMETICS",
    "GUARD",
    "Arithmetic",
    "Plan",
    "Spread",
    "assignment_targets",
    "assignments_of",
    "linear_or_log",
    "min_max",
    "multi_sinkhorn",
    "spread_of",
]
