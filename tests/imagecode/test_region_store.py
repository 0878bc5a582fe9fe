"""Published regions become a store that is read by row; a kill while it is made loses nothing."""

from __future__ import annotations

import json
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_regions import WIDTH, record, records, write_lmdb

from mlzoo.data.row_store import RowStore
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.faults import Victims
from mlzoo.progress import Progress
from mlzoo.registry import resolve
from mlzoo_imagecode.cross.regions.boxes import Regions
from mlzoo_imagecode.cross.regions.converting import convert, place_of
from mlzoo_imagecode.cross.regions.cut import cut_regions
from mlzoo_imagecode.cross.regions.demo import write_demo_regions
from mlzoo_imagecode.cross.regions.lmdb_reader import opened
from mlzoo_imagecode.cross.regions.prepare_config import RegionOptions
from mlzoo_imagecode.cross.regions.preparing import prepare
from mlzoo_imagecode.cross.regions.questions import frames_by_set, image_key
from mlzoo_imagecode.cross.regions.store import RegionStore
from mlzoo_imagecode.imagecode.spec import imagecode

pytest.importorskip("lmdb")
COUNT, MOST = 23, 5


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lmdb(tmp_path_factory.mktemp("source") / "x.lmdb", records(COUNT, MOST))


@pytest.fixture(scope="module")
def store(source: Path, tmp_path_factory: pytest.TempPathFactory) -> RegionStore:
    return convert(source, tmp_path_factory.mktemp("made") / "regions", block=4)


class Stopping(Progress):
    """Ctrl-C after some images; remembers what it was told."""

    def __init__(self, after: int) -> None:
        super().__init__(quiet=True)
        self.after, self.told = after, list[tuple[int, int]]()

    def begin(self, title: str, total: int, done: int) -> None:
        self.told.append((done, total))

    def counted(self, done: int, total: int) -> None:
        self.told.append((done, total))
        if done >= self.after:
            raise KeyboardInterrupt


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.iterdir()):
        yield path.name, path.read_bytes()


def test_every_image_is_there_with_its_regions(store: RegionStore) -> None:
    own = records(COUNT, MOST)
    assert (len(store), store.regions, store.width) == (COUNT, 36, WIDTH)
    read = store.read(store.rows_of(list(own)))
    for row, image in enumerate(own.values()):
        count = len(image.boxes)
        assert read.counts[row] == count
        assert read.sizes[row].tolist() == [image.height, image.width]
        np.testing.assert_array_equal(read.features[row, :count], image.features)
        np.testing.assert_array_equal(read.boxes[row, :count], image.boxes)
        assert not read.features[row, count:].any()
        assert not read.boxes[row, count:].any()


def test_images_of_a_set_are_neighbours_in_the_order_of_their_frames(store: RegionStore) -> None:
    assert list(store.keys) == [f"set{n // 10}img{7 * n}" for n in range(COUNT)]
    assert sorted(["aimg10", "aimg9", "img2", "b"], key=place_of) == [
        "img2",
        "aimg9",
        "aimg10",
        "b",
    ]


def test_rows_are_read_in_the_order_asked_for_and_are_copies(store: RegionStore) -> None:
    rows = np.array([22, 0, 5, 5])
    read, whole = store.read(rows), store.read(np.arange(COUNT))
    for name, array in vars(read).items():
        np.testing.assert_array_equal(array, getattr(whole, name)[rows])
    read.features[:] = -1
    assert not (store.read(rows).features == -1).any()
    assert len(store.read(np.array([], np.int64))) == 0
    for bad in (-1, COUNT):
        with pytest.raises(IndexError, match=f"outside the {COUNT} images of"):
            store.read(np.array([0, bad]))


def test_images_without_regions_are_named(store: RegionStore) -> None:
    with pytest.raises(DataError, match="no regions of 2 of 3 images, such as 'set9img0'"):
        store.rows_of(["set0img0", "set9img0", "set9img1"])


def test_another_process_maps_the_files_itself(store: RegionStore) -> None:
    content = pickle.dumps(store)
    assert len(content) < 500
    copy = pickle.loads(content)
    assert copy.digest() == store.digest()
    np.testing.assert_array_equal(copy.read(np.array([3])).boxes, store.read(np.array([3])).boxes)


@pytest.mark.parametrize("block", [1, 5])
def test_a_stopped_conversion_goes_on_and_gives_the_same_files(
    source: Path, store: RegionStore, tmp_path: Path, block: int
) -> None:
    target = tmp_path / "regions"
    for after in (1, 9):
        progress = Stopping(after)
        with pytest.raises(KeyboardInterrupt):
            convert(source, target, block=block, progress=progress)
        assert not target.exists()
    last = Stopping(1000)
    assert progress.told[0] == (block, COUNT)
    assert convert(source, target, block=4, progress=last).digest() == store.digest()
    assert last.told[0] == progress.told[-1]
    assert dict(files(target)) == dict(files(store.folder))
    assert not target.with_name("regions.part").exists()


def test_a_killed_conversion_goes_on(source: Path, store: RegionStore, tmp_path: Path) -> None:
    victims = Victims(
        "from pathlib import Path; import time\n"
        "from mlzoo.progress import Progress\n"
        "from mlzoo_imagecode.cross.regions.converting import convert"
    )
    target, reached = tmp_path / "regions", tmp_path / "reached"
    code = f"""
class Waiting(Progress):
    def counted(self, done, total):
        if done > 7:
            Path({str(reached)!r}).touch()
            time.sleep(60)
convert(Path({str(source)!r}), Path({str(target)!r}), block=3, progress=Waiting(quiet=True))
"""

    def wait() -> None:
        while not reached.exists():
            pass

    assert victims.run(code, signal.SIGKILL, wait) == -signal.SIGKILL, victims.errors()
    assert not target.exists()
    progress = Stopping(1000)
    assert convert(source, target, progress=progress).digest() == store.digest()
    assert progress.told[0] == (9, COUNT)


def test_work_on_another_file_is_not_gone_on_with(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "regions"
    with pytest.raises(KeyboardInterrupt):
        convert(source, target, block=4, progress=Stopping(4))
    own = records(COUNT, MOST)
    own["set0img0"] = record(99, len(own["set0img0"].boxes))
    other = write_lmdb(tmp_path / "other.lmdb", own)
    with pytest.raises(RunError, match="holds unfinished work with other entries"):
        convert(other, target)
    with pytest.raises(RunError, match="holds unfinished work with other arrays"):
        convert(source, target, regions=10)


def test_a_store_that_exists_is_left_alone(source: Path, store: RegionStore) -> None:
    with pytest.raises(UsageError, match=r"regions exists.\nMove it away"):
        convert(source, store.folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": 4}, r"'set\d+img\d+' has 5 regions, at most 4 are kept.\nRaise --max-regions"),
        ({"width": 2048}, r"'set0img0': features have 6 numbers a region .*, expected 2048"),
    ],
)
def test_images_that_do_not_fit_are_named_and_no_store_appears(
    source: Path, tmp_path: Path, options: dict[str, int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / "regions", **options)
    assert not (tmp_path / "regions").exists()


def test_images_of_different_widths_are_refused(tmp_path: Path) -> None:
    own = {"aimg0": record(0), "aimg1": record(1, width=WIDTH + 1)}
    with pytest.raises(
        DataError, match=r"'aimg1': features have 7 numbers a region .*, expected 6"
    ):
        convert(write_lmdb(tmp_path / "x.lmdb", own), tmp_path / "regions")


def test_a_full_disk_is_told_before_the_work(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlzoo_imagecode.cross.regions import converting

    free = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(converting.shutil, "disk_usage", lambda _: free)
    with pytest.raises(RunError, match=r"has 0.0 GB free, the regions need"):
        convert(source, tmp_path / "regions")


def damaged(store: RegionStore, folder: Path, name: str, content: bytes | None) -> Any:
    folder.mkdir()
    for own, kept in files(store.folder):
        (folder / own).write_bytes(kept)
    path = folder / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    return pytest.raises(DataError, match=f"{name[:-4]}|missing")


@pytest.mark.parametrize(
    "name", ["features.npy", "boxes.npy", "counts.npy", "keys.txt", "made.json", "store.json"]
)
def test_missing_and_damaged_files_are_named(store: RegionStore, tmp_path: Path, name: str) -> None:
    whole = (store.folder / name).read_bytes()
    for number, content in enumerate((None, b"", whole[: len(whole) // 2], b"{}")):
        with damaged(store, tmp_path / str(number), name, content):
            _ = RegionStore(tmp_path / str(number)).keys


def test_keys_in_another_order_are_refused(store: RegionStore, tmp_path: Path) -> None:
    content = "".join(f"{key}\n" for key in store.keys[::-1]).encode()
    with damaged(store, tmp_path / "x", "keys.txt", content):
        _ = RegionStore(tmp_path / "x").keys


def test_folders_of_something_else_are_refused(store: RegionStore, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"absent does not exist.\nMake it anew: mlzoo data prepare"
    ):
        RegionStore(tmp_path / "absent")
    made = json.loads((store.folder / "made.json").read_text())
    del made["arrays"]["sizes"]
    with damaged(store, tmp_path / "x", "made.json", json.dumps(made).encode()):
        RegionStore(tmp_path / "x")


def test_digest_is_of_the_content(source: Path, store: RegionStore, tmp_path: Path) -> None:
    RowStore.opened(store.folder).verify()
    own = records(COUNT, MOST)
    again = write_lmdb(tmp_path / "a.lmdb", dict(reversed(own.items())))  # in another order
    assert convert(again, tmp_path / "a").digest() == store.digest()
    renamed = {("set8img0" if key == "set0img0" else key): each for key, each in own.items()}
    other = convert(write_lmdb(tmp_path / "b.lmdb", renamed), tmp_path / "b")
    assert other.digest() != store.digest()


def test_demo_is_published_layout_that_prepare_makes_a_store_of(tmp_path: Path) -> None:
    names = ["open-images-1_0a", "video-storytelling-videoxmas_1-shot2_3"]
    frames = np.array([np.arange(10), 3 * np.arange(10)])
    pixels = np.random.default_rng(0).integers(0, 256, (2, 10, 24, 24, 3), dtype=np.uint8)
    path = tmp_path / "regions.lmdb"
    assert write_demo_regions(path, [(names, frames, pixels)], grid=2) == 20
    with opened(path) as file:
        assert frames_by_set(file.keys, names) == dict(zip(names, frames.tolist(), strict=True))
    (tmp_path / "train_data.json").write_text(
        json.dumps({names[1]: {"3": "a text"}, "absent": {"0": "another"}})
    )
    facts = prepare(tmp_path, RegionOptions(regions=path), Progress(quiet=True))
    store = RegionStore(tmp_path / "regions")
    expected = {"images": 20, "regions of an image, at most": 36, "numbers of a region": 27}
    sets = {"sets of train_data.json with regions": "1 of 2"}
    assert facts == {**expected, "digest": store.digest(), **sets}
    features, boxes = cut_regions(pixels[1], 2, 3)
    read: Regions = store.read(store.rows_of([image_key(names[1], 27)]))
    np.testing.assert_array_equal(read.features[0, :5], features[9])
    np.testing.assert_array_equal(read.boxes[0, :5], boxes[9])
    assert read.sizes.tolist() == [[24, 24]]


def test_prepare_is_that_of_the_dataset() -> None:
    spec = imagecode("contextual-retrieval")
    assert resolve(str(spec.prepare), "mlzoo-imagecode") is prepare
    assert resolve(str(spec.prepare_config), "mlzoo-imagecode") is RegionOptions


def test_prepare_without_its_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.lmdb does not exist.\n--regions names"):
        prepare(tmp_path, RegionOptions(regions=tmp_path / "absent.lmdb"), Progress(quiet=True))
    with pytest.raises(UsageError, match=r"nothing to prepare.\n--regions FILE.lmdb"):
        prepare(tmp_path, RegionOptions(), Progress(quiet=True))
