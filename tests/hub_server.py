"""A loopback stand-in for the hub: enough of its web interface for the real `datasets` and `huggingface_hub` clients.

A folder holds the repositories, `<root>/{datasets,models}/<owner>/<name>/<files>`. Point a *fresh* process at it with
the environment of `Hub.environment` (the clients read HF_ENDPOINT when they are imported):

    with serve(root) as hub:
        ask(hub.environment(home), [["huggingface_hub:hf_hub_download", "owner/name", "config.json"]])
    hub.requests                    # ["HEAD /owner/name/resolve/main/config.json", ...]

Each repository has one commit, "main"; its name is a digest of the files' names and contents.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import datasets

CLIENT = """
import importlib, json, sys, time
for name, *arguments in json.loads(sys.argv[1]):
    module, function = name.split(":")
    function, imported = getattr(importlib.import_module(module), function), list(sys.modules)
    began = time.perf_counter()
    try:
        answer = function(*arguments)
    except ValueError as error:
        answer = {"refused": str(error)}
    answer = answer.to_list() if hasattr(answer, "to_list") else answer
    print(json.dumps({"answer": answer, "seconds": time.perf_counter() - began, "imported": imported}))
"""


@dataclass
class Hub:
    """A running server: its address, the repositories' folder, and what was asked of it so far."""

    endpoint: str
    root: Path
    requests: list[str] = field(default_factory=list)

    def environment(self, home: Path, **extra: str) -> dict[str, str]:
        """Environment of a client process whose hub is this server and whose cache is the folder `home`."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        ours = {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return {**kept, **ours, **extra}


def ask(environment: dict[str, str], calls: list[list[Any]]) -> list[dict[str, Any]]:
    """Let one fresh process make these calls, each ["module:function", *arguments].

    Returns:
        For each call its answer (rows as a list; a ValueError as {"refused": its message}), the seconds that it took,
        and which modules had been imported before it.
    """
    command = [sys.executable, "-c", CLIENT, json.dumps(calls)]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def commit(repository: Path) -> str:
    """40 hexadecimal digits that stand for the contents of a repository's folder."""
    digest = hashlib.sha1()
    for file in sorted(path for path in repository.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(repository)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def write_dataset(folder: Path, tables: dict[str, dict[str, datasets.Dataset]]) -> Path:
    """A data set repository: README.md with the configurations and their splits, and a parquet file for each split."""
    readme = ["---", "configs:"]
    for config, splits in tables.items():
        readme += [f"- config_name: {config}", "  data_files:"]
        for split, rows in splits.items():
            readme += [f"  - split: {split}", f"    path: {config}/{split}-*"]
            (folder / config).mkdir(parents=True, exist_ok=True)
            rows.to_parquet(folder / config / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text("\n".join([*readme, "---"]))
    return folder


@contextmanager
def serve(root: Path) -> Iterator[Hub]:
    """Serve the repositories under `root` on a free port of this machine until the block is left."""

    class Handler(_Handler):
        """A class of its own for each server: the requests of one go to one log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.hub = Hub(f"http://127.0.0.1:{server.server_address[1]}", root)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Handler.hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean; `Hub.requests` has it all."""

    def _answer(self) -> None:
        url = urlsplit(self.path)
        self.hub.requests.append(f"{self.command} {self.path}")
        parts = unquote(url.path).strip("/").split("/")
        if parts[0] == "api":
            self._api(parts[1:], parse_qs(url.query))
        else:
            self._file(parts if parts[0] == "datasets" else ["models", *parts])

    def _repository(self, kind: str, owner: str, name: str) -> Path | None:
        folder = self.hub.root / kind / owner / name
        if folder.is_dir():
            return folder
        self._missing("RepoNotFound", "Repository not found")
        return None

    def _api(self, parts: list[str], query: dict[str, list[str]]) -> None:
        """`<kind>/<owner>/<name>` followed by nothing, `revision/<r>` or `tree/<r>/<folder>`."""
        if len(parts) < 3:
            return self._missing("", "Not served here")
        if (repository := self._repository(*parts[:3])) is None:
            return None
        action, revision, inside = (parts[3:4] or ["revision"])[0], (parts[4:5] or ["main"])[0], "/".join(parts[5:])
        if revision not in ("main", commit(repository)):
            return self._missing("RevisionNotFound", f"Invalid rev id: {revision}")
        if action == "revision":
            return self._json(_info(repository, f"{parts[1]}/{parts[2]}"))
        return self._tree(repository, inside, recursive=query.get("recursive", [""])[0].lower() == "true")

    def _tree(self, repository: Path, inside: str, recursive: bool) -> None:
        folder = repository / inside
        if not folder.is_dir():
            return self._missing("EntryNotFound", f"{inside} does not exist")
        found = folder.rglob("*") if recursive else folder.glob("*")
        return self._json([_entry(repository, path) for path in sorted(found)])

    def _file(self, parts: list[str]) -> None:
        """`<kind>/<owner>/<name>/resolve/<revision>/<file>`: a file, with the commit and ETag that caches need."""
        if len(parts) < 6 or parts[3] != "resolve":
            return self._missing("", "Not served here")
        if (repository := self._repository(*parts[:3])) is None:
            return None
        file = repository / "/".join(parts[5:])
        if parts[4] not in ("main", commit(repository)):
            return self._missing("RevisionNotFound", f"Invalid rev id: {parts[4]}")
        if not file.is_file():
            return self._missing("EntryNotFound", "Entry not found", **{"X-Repo-Commit": commit(repository)})
        entry = _entry(repository, file)
        headers = {"X-Repo-Commit": commit(repository), "ETag": f'"{entry["oid"]}"'}
        return self._send(HTTPStatus.OK, file.read_bytes(), "application/octet-stream", **headers)

    def _json(self, value: object) -> None:
        self._send(HTTPStatus.OK, json.dumps(value).encode(), "application/json")

    def _missing(self, code: str, message: str, **headers: str) -> None:
        headers |= {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self._send(HTTPStatus.NOT_FOUND, json.dumps({"error": message}).encode(), "application/json", **headers)

    def _send(self, status: HTTPStatus, content: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _info(repository: Path, name: str) -> dict[str, object]:
    files = sorted(path for path in repository.rglob("*") if path.is_file())
    siblings = [{"rfilename": str(file.relative_to(repository))} for file in files]
    return {"_id": "0", "id": name, "sha": commit(repository), "private": False, "tags": [], "siblings": siblings}


def _entry(repository: Path, path: Path) -> dict[str, object]:
    name = str(path.relative_to(repository))
    if path.is_dir():
        return {"type": "directory", "path": name, "oid": hashlib.sha1(name.encode()).hexdigest(), "size": 0}
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # git's own name of the content
    return {"type": "file", "path": name, "oid": blob, "size": len(content)}
