"""A loopback stand-in for W&B's server: enough of its interface for the real clients, of runs, sweeps and reports.

Point a *fresh* process at it with the variables of `Server.environment`:

    with serve() as server:
        sweep = server.sweep(place, "sweeps/nsp.yaml")          # `wandb sweep`, its id
        server.wandb(place, "agent", sweep)
    server.records.runs             # what the clients have said of their runs
    server.records.unknown          # what they asked for and did not get

The protocol is private and was read off wandb 0.31 (constraints.txt pins it): a newer client may ask for more.
"""

import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.commands import Done, environment
from tests.wandb_answers import ANSWERS
from tests.wandb_records import ENTITY, Records

OPERATION = re.compile(r"\b(?:query|mutation)\s+(\w+)")
# An agent looks at the server and at its runs every five seconds, which nothing but this can change.
CLIENT = """
import sys, wandb.wandb_agent
wandb.wandb_agent.Agent.POLL_INTERVAL = 0.4
from wandb.cli.cli import cli
cli(sys.argv[1:])
"""


@dataclass
class Server:
    """A running server: its address, and what it was told so far."""

    url: str
    records: Records

    def environment(self, home: Path) -> dict[str, str]:
        """Variables of a client: somebody who is logged in here, whose own files are in the folder `home`."""
        places = {f"WANDB_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "CACHE", "DATA", "ARTIFACT")}
        return {
            "HOME": str(home),
            **places,
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": "0" * 40,
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "0.5",  # seconds; else what is logged arrives every fifteen
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # the agent starts `python`
        }

    def begin(self, place: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """`wandb <words>` in the folder `place`."""
        variables = environment(place, {**self.environment(place / "home"), **(env or {})})
        line = [sys.executable, "-c", CLIENT, *words]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(line, cwd=place, env=variables, text=True, **pipes)

    def wandb(self, place: Path, *words: str, env: dict[str, str] | None = None) -> Done:
        """The same, to its end."""
        with self.begin(place, *words, env=env) as process:
            try:
                said, _ = process.communicate(timeout=300)
            finally:
                process.kill()
        return Done(process.returncode, said, "")

    def sweep(self, place: Path, file: str, *words: str) -> str:
        """`wandb sweep <file>`; returns what to hand to an agent."""
        before = set(self.records.sweeps)
        done = self.wandb(place, "sweep", *words, file)
        assert done.status == 0, done.out
        (name,) = set(self.records.sweeps) - before
        return f"{ENTITY}/{self.records.sweeps[name].project}/{name}"


@contextmanager
def serve() -> Iterator[Server]:
    """Serve on a free port of this machine until the block is left."""

    class Handler(_Handler):
        """A class of its own for each server."""

    listener = _Listener(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{listener.server_address[1]}"
    Handler.records, Handler.lock = Records(url), threading.Lock()
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield Server(url, Handler.records)
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


class _Listener(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed closes nothing; any other error is the stand-in's own."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.RequestHandlerClass.records.unknown.append(f"{request}: {error!r}")  # pyright: ignore


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    records: Records
    lock: threading.Lock  # requests come in threads

    def do_POST(self) -> None:
        raw = self._content()
        if not raw.startswith(b"{"):
            print("POST", self.path, dict(self.headers), raw[:100], file=sys.stderr)
        content = json.loads(raw)
        parts = urlsplit(self.path).path.strip("/").split("/")
        with self.lock:
            if parts == ["graphql"]:
                return self._graphql(content)
            if parts[0] == "files" and parts[-1] == "file_stream" and parts[-2] in self.records.runs:
                self.records.runs[parts[-2]].takes(content)
                return self._send(HTTPStatus.OK, {"limits": {}})
        return self._unknown()

    def do_PUT(self) -> None:
        """`/upload/<run>/<file>`"""
        content, parts = self._content(), unquote(urlsplit(self.path).path).strip("/").split("/", 2)
        if parts[0] != "upload" or parts[1] not in self.records.runs:
            return self._unknown()
        self.records.runs[parts[1]].files[parts[2]] = content
        return self._send(HTTPStatus.OK, {})

    def do_GET(self) -> None:
        self._unknown()

    def _graphql(self, content: dict) -> None:
        found = OPERATION.search(content["query"])
        operation = found[1] if found else content["query"]
        if operation not in ANSWERS:
            self.records.unknown.append(operation)
            problem = {"errors": [{"message": f"{operation} is not known here"}]}
            return self._send(HTTPStatus.BAD_REQUEST, problem)  # a status at which no client tries again
        return self._send(HTTPStatus.OK, {"data": ANSWERS[operation](self.records, content.get("variables") or {})})

    def _content(self) -> bytes:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        return gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw

    def _unknown(self) -> None:
        self.records.unknown.append(f"{self.command} {self.path}")
        self._send(HTTPStatus.NOT_FOUND, {"error": "Not served here"})

    def _send(self, status: HTTPStatus, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the screen."""
