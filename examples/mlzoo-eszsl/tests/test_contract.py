"""What mlzoo relies on, checked by its own suite."""

from mlzoo.testing import ContractSuite


class TestContract(ContractSuite):
    distribution = "mlzoo-eszsl"
