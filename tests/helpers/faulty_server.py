"""A local server that cuts, stalls, lies, refuses and changes its mind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 2000  # 512 000 bytes
CUT = 300_000


@dataclass
class Asked:
    """One request and how much of a body went out."""

    method: str
    path: str
    range: str | None
    if_range: str | None
    sent: int = 0


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.content``, with ranges, unless the script, or that of the path, has another idea."""

    server: Server

    def log_message(self, *words: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.asked = self.note()
        self.server.head(self)

    def do_GET(self) -> None:
        self.asked = self.note()
        script = self.server.routes.get(self.path, self.server.script)
        try:
            (script.pop(0) if script else serve)(self)
        except OSError:  # the client went away
            self.close_connection = True

    def note(self) -> Asked:
        asked = Asked(
            self.command, self.path, self.headers.get("Range"), self.headers.get("If-Range")
        )
        self.server.log.append(asked)
        return asked

    def begin(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()
        self.asked.sent += len(content)


@dataclass(eq=False)
class Server(ThreadingHTTPServer):
    content: bytes = CONTENT
    validators: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    script: list[Callable[[Handler], None]] = field(default_factory=list)
    routes: dict[str, list[Callable[[Handler], None]]] = field(default_factory=dict)
    log: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    daemon_threads = True
    block_on_close = False

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/x.mat"

    @property
    def gets(self) -> list[Asked]:
        return [asked for asked in self.log if asked.method == "GET"]

    def head(self, handler: Handler) -> None:
        handler.begin(200, Content_Length=len(self.content))


def serve(handler: Handler, limit: int | None = None) -> None:
    """What a good server does; with a limit, the connection is cut after so many bytes."""
    server, asked = handler.server, handler.asked
    current = asked.if_range is None or asked.if_range in server.validators.values()
    start = int(asked.range.removeprefix("bytes=").rstrip("-")) if asked.range and current else 0
    size = len(server.content)
    extra = {"Content_Length": size - start, **server.validators}
    if start:
        extra["Content_Range"] = f"bytes {start}-{size - 1}/{size}"
    handler.begin(206 if start else 200, **extra)
    handler.body(server.content[start : start + limit] if limit else server.content[start:])


def cut(handler: Handler) -> None:
    serve(handler, CUT)


def stall(handler: Handler) -> None:
    serve(handler, CUT)
    handler.server.released.wait(30)


def answer(status: int, body: bytes = b"no", **headers: object) -> Callable[[Handler], None]:
    def behave(handler: Handler) -> None:
        handler.begin(status, Content_Length=len(body), **headers)
        handler.body(body)

    return behave


def ignore_range(handler: Handler) -> None:
    handler.begin(200, Content_Length=len(CONTENT), **handler.server.validators)
    handler.body(CONTENT)


def endless(handler: Handler) -> None:
    handler.begin(200)
    while not handler.server.released.is_set():
        handler.body(bytes(65536))


@contextmanager
def running() -> Iterator[Server]:
    """A server that answers until the block ends."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
