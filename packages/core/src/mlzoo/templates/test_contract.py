"""What mlzoo relies on, and what this package promises."""

from pathlib import Path

import mlzoo
from mlzoo.testing import ContractSuite


class TestContract(ContractSuite):
    distribution = "mlzoo-sprout"


def test_model_beats_chance(tmp_path: Path) -> None:
    result = mlzoo.run("sprout", out=tmp_path, device="cpu", figures=False)
    chance = result.results["references"]["accuracy"]["chance"]
    assert result.metrics["test"]["accuracy"] > 2 * chance
