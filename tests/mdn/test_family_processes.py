"""The recursion over several processes of torch.distributed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from mlzoo_mdn.recursive import RecursiveMDN

SCRIPT = """
import sys, torch
from mlzoo_mdn.recursive import RecursiveMDN

folder, rank = sys.argv[1], int(sys.argv[2])
torch.distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
)
data = torch.load(f"{folder}/data.pt", weights_only=True)
layer = RecursiveMDN(2, 3)
for x, metadata in data["batches"]:
    half = slice(rank, None, 2)
    layer(x[half], metadata[half])
torch.save(layer.state_dict(), f"{folder}/{rank}.pt")
torch.distributed.destroy_process_group()
"""


def test_two_processes_with_half_a_batch_each_equal_one_with_the_whole(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    batches = [
        (
            torch.randn(8, 3, generator=generator).double(),
            torch.rand(8, 2, generator=generator).double(),
        )
        for _ in range(4)
    ]
    torch.save({"batches": batches}, tmp_path / "data.pt")
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), str(rank)], env=environment)
        for rank in range(2)
    ]
    assert [process.wait(timeout=240) for process in processes] == [0, 0]

    layer = RecursiveMDN(2, 3)
    for x, metadata in batches:
        layer(x, metadata)
    for rank in range(2):
        state = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in layer.state_dict().items():
            torch.testing.assert_close(state[name], value, rtol=1e-10, atol=1e-10)
