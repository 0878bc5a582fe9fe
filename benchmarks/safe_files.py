"""What safety costs: files read, written and hashed by mlzoo against the unguarded ways.

python benchmarks/safe_files.py [--json FILE] [--repeats 9] [--quick]

The ratios are below 1: here mlzoo does more. Files lie in the system's temporary folder.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import tempfile
from pathlib import Path

import numpy as np
import torch
from _measure import Call, Row, arguments, compare, report

from mlzoo.checkpoints import save_checkpoint
from mlzoo.data.fingerprint import fingerprint
from mlzoo.data.restricted_pickle import loads
from mlzoo_mdn.networks import ConfoundedClassifier


def array_pickle_row(megabytes: int, options: argparse.Namespace) -> Row:
    """A pickle as feature files are published: a few names and one large array."""
    features = np.random.default_rng(0).normal(size=(megabytes * 2**20 // 8 // 512, 512))
    data = pickle.dumps(
        {"features": features, "names": [f"image{i}.jpg" for i in range(len(features))]}
    )
    np.testing.assert_array_equal(loads(data, "data")["features"], pickle.loads(data)["features"])
    return pickle_row(f"reading a pickled array of {megabytes} MiB", data, options)


def object_pickle_row(count: int, options: argparse.Namespace) -> Row:
    """A pickle of many small objects: names, numbers and lists."""
    data = pickle.dumps(
        [{"name": f"class {i}", "rows": list(range(i, i + 10))} for i in range(count)]
    )
    assert loads(data, "data") == pickle.loads(data)
    return pickle_row(f"reading {count} pickled dicts", data, options)


def pickle_row(what: str, data: bytes, options: argparse.Namespace) -> Row:
    calls: dict[str, Call] = {
        "mlzoo": lambda: loads(data, "data"),
        "pickle": lambda: pickle.loads(data),
    }
    return compare(what, calls, options, against=("pickle",))


def checkpoint_row(folder: Path, options: argparse.Namespace) -> Row:
    """Checked, written aside, flushed to the disk and renamed, against written in place."""
    model = ConfoundedClassifier("conv", torch.rand(2000, 2))
    optimizer = torch.optim.Adam(model.parameters())
    logit, _ = model(torch.randn(4, 1, 32, 32), torch.rand(4, 2))
    logit.sum().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1}
    calls: dict[str, Call] = {
        "mlzoo": lambda: save_checkpoint(folder / "ours.pt", state),
        "torch.save": lambda: torch.save(state, folder / "plain.pt"),
    }
    return compare("checkpoint of Conv with its optimiser", calls, options, against=("torch.save",))


def fingerprint_row(megabytes: int, options: argparse.Namespace) -> Row:
    """The digest of an array's content."""
    array = np.random.default_rng(0).normal(size=megabytes * 2**20 // 8)
    calls: dict[str, Call] = {
        "mlzoo": lambda: fingerprint({"images": array}),
        "sha256": lambda: hashlib.sha256(array).digest(),
    }
    return compare(f"fingerprint of {megabytes} MiB", calls, options, against=("sha256",))


def main() -> None:
    options = arguments(__doc__, repeats=9)
    megabytes = 1 if options.quick else 64
    rows = [
        array_pickle_row(megabytes, options),
        object_pickle_row(100 if options.quick else 20_000, options),
    ]
    with tempfile.TemporaryDirectory() as folder:
        rows.append(checkpoint_row(Path(folder), options))
    rows.append(fingerprint_row(megabytes, options))
    report(rows, options)


if __name__ == "__main__":
    main()
