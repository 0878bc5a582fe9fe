"""The crawl of images against a server that fails in every way it can, and against hostile images."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest
from faulty_server import Handler, Server, answer, running
from PIL import Image

from mlzoo.cli.main import guarded
from mlzoo.errors import DataError, RunError
from mlzoo_biam.open_images import crawl as image_crawl
from mlzoo_biam.open_images import download as open_images_download
from mlzoo_biam.open_images import fetch as image_fetch
from mlzoo_biam.open_images.crawl import HEAD, Place, crawl
from mlzoo_biam.open_images.crawl_config import CrawlOptions
from mlzoo_biam.open_images.download import fetch_images
from mlzoo_biam.open_images.fetch import ImageError, Rules, Wanted, shrunk
from mlzoo_biam.open_images.image_list import read_image_list

HASTY = Rules(attempts=3, timeout=0.5, pause=0.0)


def picture(width: int = 320, height: int = 300, kind: str = "JPEG", seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((width, height)).save(out, kind)
    return out.getvalue()


def whole(content: bytes, **headers: object):
    return answer(200, content, Content_Type="image/jpeg", **headers)


class Web:
    """Pictures on a server, each with a script of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.wanted: list[Wanted] = []

    def put(self, name: str, *script, content: bytes | None = None, md5: bytes | None = None):
        """A picture that behaves as the script says, and then comes whole."""
        content = picture(seed=len(self.wanted)) if content is None else content
        url = f"{self.server.url.rsplit('/', 1)[0]}/{name}.jpg"
        self.server.routes[f"/{name}.jpg"] = [*script, *[whole(content)] * 9]
        digest = hashlib.md5(content).digest() if md5 is None else md5
        self.wanted.append(Wanted(name, url, digest))
        return content

    def asked(self) -> Counter[str]:
        return Counter(asked.path.strip("/").removesuffix(".jpg") for asked in self.server.gets)


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running() as server:
        yield Web(server)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "images" / "test", tmp_path / "images" / "test.failed.csv")


def get(web: Web, place: Place, rules: Rules = HASTY, **changes: object):
    arguments = {"total": len(web.wanted), "connections": 4, "rules": rules, **changes}
    return crawl(web.wanted, place, **arguments)


def failures(place: Place) -> dict[str, tuple[str, str]]:
    with place.failed.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == HEAD
    return {row[0]: (row[2], row[3]) for row in rows}


def lying(place: Place) -> list[str]:
    return sorted(path.name for path in place.folder.iterdir())


def cut(handler: Handler) -> None:
    handler.begin(200, Content_Length=10_000_000)
    handler.body(bytes(5000))
    handler.close_connection = True


def stall(handler: Handler) -> None:
    handler.begin(200, Content_Length=1000)
    handler.body(bytes(10))
    handler.server.released.wait(5)


def drip(handler: Handler) -> None:
    handler.begin(200, Content_Length=1_000_000)
    while not handler.server.released.wait(0.05):
        handler.body(b".")


def cut_unnoticed(content: bytes):
    """Half of the file, and no word about its length."""

    def behave(handler: Handler) -> None:
        handler.begin(200)
        handler.body(content[: len(content) // 2])
        handler.close_connection = True

    return behave


def test_images_come_small_and_whole(web, place):
    for number in range(20):
        web.put(f"id{number:02}", content=picture(640, 400 + number, seed=number))
    counts = get(web, place)
    assert (counts.fetched, counts.failed) == (20, 0)
    assert lying(place) == [f"id{number:02}.jpg" for number in range(20)]
    with Image.open(place.folder / "id07.jpg") as image:
        assert image.format == "JPEG"
        assert image.size == (round(640 * 256 / 407), 256)
    assert failures(place) == {}


def test_what_is_there_is_not_fetched_again(web, place):
    for number in range(5):
        web.put(f"id{number}")
    get(web, place)
    (place.folder / "id3.jpg").unlink()
    web.server.log.clear()
    counts = get(web, place)
    assert (counts.fetched, counts.there) == (1, 4)
    assert web.asked() == {"id3": 1}


@pytest.mark.parametrize("fault", [cut, stall, answer(503, Retry_After=0), answer(429)])
def test_passing_trouble_is_tried_again(web, place, fault):
    web.put("a", fault, fault)
    web.put("b")
    assert get(web, place).fetched == 2
    assert web.asked() == {"a": 3, "b": 1}


def test_half_a_file_of_unannounced_length_is_tried_again(web, place):
    content = picture()
    web.put("a", cut_unnoticed(content), content=content)
    assert get(web, place).fetched == 1


def test_lasting_trouble_ends_after_the_attempts_and_another_call_tries_again(web, place):
    web.put("a", *[answer(503)] * 4)
    assert get(web, place).failed == 1
    assert web.asked() == {"a": 3}
    assert failures(place)["a"] == ("the server answers 503 Service Unavailable", "no")
    counts = get(web, place)
    assert (counts.fetched, counts.gone) == (1, 0)
    assert failures(place) == {}


def test_server_that_drips_is_given_up(web, place):
    web.put("a", *[drip] * 9)
    rules = Rules(attempts=1, timeout=0.3, pause=0.0)
    assert get(web, place, rules).failed == 1
    reason = failures(place)["a"][0]
    assert "too slow" in reason or "no answer in time" in reason  # where the machine is busy


def test_dead_links_and_wrong_sums_are_listed_and_left_alone(web, place):
    web.put("dead", *[answer(404)] * 9)
    web.put("gone", *[answer(410)] * 9)
    web.put("other", md5=hashlib.md5(b"other").digest())
    web.put("page", content=b"<html>photo unavailable</html>")
    web.put("good")
    counts = get(web, place)
    assert (counts.fetched, counts.failed) == (1, 4)
    assert lying(place) == ["good.jpg"]
    assert failures(place) == {
        "dead": ("the server answers 404 Not Found", "yes"),
        "gone": ("the server answers 410 Gone", "yes"),
        "other": ("another file: its MD5 differs", "yes"),
        "page": ("not an image of a known format", "yes"),
    }
    assert set(web.asked().values()) == {1}
    web.server.log.clear()
    counts = get(web, place)
    assert (counts.there, counts.gone) == (1, 4)
    assert web.asked() == {}
    assert len(failures(place)) == 4


def test_retry_tries_what_was_gone(web, place):
    web.put("dead", answer(404))
    get(web, place)
    assert get(web, place, retry=True).fetched == 1
    assert failures(place) == {}


def test_image_that_appeared_meanwhile_is_no_failure_any_more(web, place):
    web.put("dead", *[answer(404)] * 9)
    get(web, place)
    (place.folder / "dead.jpg").write_bytes(picture())
    assert get(web, place).there == 1
    assert failures(place) == {}


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a.jpg", "http://["])
def test_other_schemes_are_refused(web, place, url):
    web.wanted.append(Wanted("a", url))
    assert get(web, place).failed == 1
    assert failures(place)["a"][1] == "yes"


def test_redirect_is_followed_within_http_alone(web, place):
    content = web.put("a")
    web.server.routes["/a.jpg"] = [answer(302, Location="/b.jpg")]
    web.server.routes["/b.jpg"] = [whole(content)]
    web.put("c")
    web.server.routes["/c.jpg"] = [answer(302, Location="file:///etc/passwd")]
    assert get(web, place).fetched == 1
    assert "not followed" in failures(place)["c"][0]


def test_too_many_bytes_are_refused_announced_or_not(web, place):
    rules = Rules(attempts=1, timeout=1, pause=0.0, max_bytes=1000)
    web.put("announced", content=bytes(2000))
    content = bytes(2000)
    web.put("silent", cut_unnoticed(content + content), content=content)
    get(web, place, rules)
    assert "expected at most" in failures(place)["announced"][0]
    assert "more than" in failures(place)["silent"][0]


def test_image_called_encoded_is_not_unpacked(web, place):
    content = picture()
    web.put("a", whole(content, Content_Encoding="gzip"), content=content)
    assert get(web, place).fetched == 1


def test_image_without_a_known_sum_is_taken(web, place):
    web.put("a", md5=b"")
    assert get(web, place).fetched == 1


def test_failure_with_commas_and_lines_stays_one_row(web, place):
    web.wanted.append(Wanted("a", 'http://127.0.0.1:1/x,"y\n\u2028z'))
    get(web, place)
    assert list(failures(place)) == ["a"]


def test_list_is_read_as_it_is_needed(web, place):
    """Not more is taken from the list than twice the connections."""
    taken = []

    def images():
        for number in range(200):
            taken.append(number)
            yield Wanted(f"id{number}", f"{web.server.url.rsplit('/', 1)[0]}/stuck.jpg")

    def stuck(handler: Handler) -> None:
        handler.server.released.wait(10)

    web.server.routes["/stuck.jpg"] = [stuck] * 500
    rules = Rules(attempts=1, timeout=30)
    thread = threading.Thread(
        target=crawl,
        args=(images(), place),
        kwargs={"total": 200, "connections": 3, "rules": rules},
    )
    thread.start()
    time.sleep(0.5)
    assert len(taken) <= 7
    web.server.released.set()
    thread.join(60)
    assert len(taken) == 200


def test_full_disk_ends_the_crawl(web, place, monkeypatch):
    def full(path):
        raise RunError(f"cannot write {path}: no space left.")

    monkeypatch.setattr(image_fetch, "atomic_write", full)
    web.put("a")
    with pytest.raises(RunError, match="no space left"):
        get(web, place)


def test_second_process_is_refused(web, place):
    with image_crawl._alone(place), pytest.raises(RunError, match="another process"):
        get(web, place)


def test_half_written_files_of_a_killed_process_go(web, place):
    place.folder.mkdir(parents=True)
    (place.folder / ".a.jpg.xyz.tmp").write_bytes(b"half")
    web.put("a")
    get(web, place)
    assert lying(place) == ["a.jpg"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_leaves_whole_images_and_the_next_call_goes_on(web, tmp_path, number):
    for index in range(12):
        slow = [] if index < 6 else [stall]
        web.put(f"id{index:02}", *slow)
    path = write_list(tmp_path / "list.csv", web.wanted)
    folder = tmp_path / "root" / "open-images"
    fill(folder)
    words = [
        sys.executable, "-m", "mlzoo", "data", "download", "open-images", "--crawl", "test",
        "--image-list", str(path), "--which", "all", "--connections", "3",
        "--image-timeout", "2", "--data-dir", str(tmp_path / "root"),
    ]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    images = folder / "images" / "test"
    deadline = time.monotonic() + 60
    while len(list(images.glob("*.jpg")) if images.is_dir() else []) < 6:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    for image in images.glob("*.jpg"):
        Image.open(image).load()
    web.server.log.clear()
    web.server.released.set()
    again = subprocess.run(
        [*words, "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    facts = json.loads(again.stdout)["fetched"]
    assert facts["there"] >= 6
    assert facts["fetched"] + facts["there"] == 12
    assert not [name for name, count in web.asked().items() if int(name[2:]) < 6 and count]


# Images


def small(content: bytes, short: int = 256) -> Image.Image:
    image = Image.open(io.BytesIO(shrunk(io.BytesIO(content), short)))
    image.load()
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_short_side_is_shrunk_and_small_images_stay(kind):
    assert small(picture(1000, 700, kind)).size == (366, 256)
    assert small(picture(300, 900, kind)).size == (256, 768)
    assert small(picture(100, 70, kind)).size == (100, 70)
    assert small(picture(100, 70, kind)).mode == "RGB"


def test_shrunk_image_looks_like_the_original():
    content = picture(2048, 1536)
    with Image.open(io.BytesIO(content)) as image:
        plain = np.asarray(image.convert("RGB").resize((341, 256), Image.Resampling.BICUBIC))
    difference = np.asarray(small(content), dtype=float) - plain
    assert np.abs(difference).mean() < 1.5


def test_modes_become_rgb():
    for mode in ("L", "P", "RGBA", "CMYK", "1"):
        out = io.BytesIO()
        Image.new(mode, (300, 400)).save(out, "TIFF")
        assert small(out.getvalue()).mode == "RGB"


def test_tags_of_orientation_and_place_are_not_kept():
    out = io.BytesIO()
    exif = Image.Exif()
    exif[274], exif[270] = 6, "a secret place"
    Image.new("RGB", (300, 400)).save(out, "JPEG", exif=exif)
    image = small(out.getvalue())
    assert image.size == (256, 341)
    assert dict(image.getexif()) == {}


def png_of(width: int, height: int) -> bytes:
    """A file of a few bytes that announces so many pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (png_of(10_000, 10_000), "more pixels"),
        (png_of(60_000, 60_000), "more pixels"),
        (png_of(5, 4000), "at most 100 to 1"),
        (png_of(300, 300), "."),
        (picture()[:2000], "truncated"),
        (b"", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ],
)
def test_bombs_and_damage_are_refused(content, said, recwarn):
    with pytest.raises(ImageError, match=said) as caught:
        shrunk(io.BytesIO(content), 256)
    assert caught.value.final
    assert not list(recwarn)


def test_sixteen_bits_are_refused():
    out = io.BytesIO()
    Image.new("I;16", (300, 300)).save(out, "PNG")
    with pytest.raises(ImageError, match="8 bits"):
        shrunk(io.BytesIO(out.getvalue()), 256)


# The list and the command


def write_list(path, wanted, part: str = "test"):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ImageID", "Subset", "OriginalURL", "Title", "OriginalMD5"])
        writer.writerow(["elsewhere", "other", "http://127.0.0.1:1/x.jpg", "a, b", ""])
        for each in wanted:
            md5 = base64.b64encode(each.md5).decode()
            writer.writerow([each.name, part, each.url, 'say "cheese",\nplease', md5])
    return path


def fill(folder):
    """All files that the command would look for on the net."""
    folder.mkdir(parents=True)
    for name in ("classes-trainable.txt", "class-descriptions.csv", "unseen_labels.pkl",
                 "top_400_unseen.csv", "word_vectors.npz"):  # fmt: skip
        (folder / name).write_text("x")
    for part in ("train", "validation", "test"):
        path = folder / f"{part}-annotations-human-imagelabels.csv"
        path.write_text("ImageID,Source,LabelName,Confidence\nid1,v,/m/a,1\nid3,v,/m/a,0\n")


def test_rows_of_the_part_are_read_with_their_sums(tmp_path):
    wanted = [Wanted("a", "http://x/a", bytes(16)), Wanted("b", "http://x/b")]
    path = write_list(tmp_path / "list.csv", wanted)
    assert list(read_image_list(path, "test")) == wanted
    assert list(read_image_list(path, "test", 1)) == wanted[:1]
    assert list(read_image_list(path, "train")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ImageID,OriginalURL\n../evil,http://x\n", "row 2: the id '../evil' cannot be"),
        ("ImageID,OriginalURL\n,http://x\n", "cannot be a file's name"),
        ("ImageID,OriginalURL,OriginalMD5\na,http://x,abcd\n", "'abcd' is no MD5"),
        ("ImageID,OriginalURL,OriginalMD5\na,http://x,%%\n", "is no MD5"),
        ("ImageID,OriginalURL\na\n", "row 2: 1 cells"),
        ("ImageID,Url\na,b\n", "no column OriginalURL"),
    ],
)
def test_damaged_list_is_one_clear_error(tmp_path, text, said):
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        list(read_image_list(path, "test"))


def test_only_annotated_images_are_fetched_unless_all_are_asked_for(web, tmp_path, monkeypatch):
    for number in range(5):
        web.put(f"id{number}")
    folder = tmp_path / "root" / "open-images"
    fill(folder)
    path = write_list(tmp_path / "list.csv", web.wanted)
    options = {"crawl": "test", "image_list": path, "connections": 2}
    from mlzoo.progress import Progress

    quiet = Progress(quiet=True)
    facts = fetch_images(folder, CrawlOptions(**options), quiet)
    assert (facts["listed"], facts["fetched"]) == (2, 2)
    assert sorted(web.asked()) == ["id1", "id3"]
    facts = fetch_images(folder, CrawlOptions(**options, which="all", limit=4), quiet)
    assert (facts["listed"], facts["fetched"], facts["there"]) == (4, 2, 2)
    assert fetch_images(folder, CrawlOptions(), quiet) == {}
    (folder / "test-annotations-human-imagelabels.csv").unlink()
    with pytest.raises(DataError, match="--which all"):
        fetch_images(folder, CrawlOptions(**options), quiet)
    monkeypatch.setattr(open_images_download, "IMAGE_BYTES", 10**18)
    with pytest.raises(DataError, match="--limit"):
        fetch_images(folder, CrawlOptions(**options, which="all"), quiet)


def test_published_list_is_fetched_when_none_is_given(web, tmp_path, monkeypatch):
    from dataclasses import replace

    from mlzoo.progress import Progress

    web.put("id1")
    content = write_list(tmp_path / "list.csv", web.wanted).read_bytes()
    web.server.content = content
    lists = open_images_download.LISTS
    monkeypatch.setitem(lists, "test", replace(lists["test"], url=web.server.url))
    folder = tmp_path / "root" / "open-images"
    fill(folder)
    options = CrawlOptions(crawl="test", connections=1)
    assert fetch_images(folder, options, Progress(quiet=True))["fetched"] == 1
    assert (folder / "test-images-with-rotation.csv").read_bytes() == content


def test_command_shows_what_came(web, tmp_path, capsys):
    web.put("id1")
    web.put("id3", *[answer(404)] * 9)
    folder = tmp_path / "root" / "open-images"
    fill(folder)
    path = write_list(tmp_path / "list.csv", web.wanted)
    words = ["data", "download", "open-images", "--crawl", "test", "--image-list", path,
             "--connections", 2, "--data-dir", tmp_path / "root"]  # fmt: skip
    assert guarded([str(word) for word in words]) == 0
    shown = capsys.readouterr().out
    assert "images/test.failed.csv" in shown
    assert os.listdir(folder / "images" / "test") == ["id1.jpg"]
