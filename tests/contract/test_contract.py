"""The contract suite over every registered spec."""

from mlzoo.testing import ContractSuite


class TestContract(ContractSuite):
    """All installed plugins."""
