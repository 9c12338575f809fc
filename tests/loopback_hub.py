"""A Hub on loopback: a real HTTP server with the endpoints of huggingface.co that creating, pushing, checking and loading need.

    python tests/loopback_hub.py                       # prints the variables to set; Ctrl-C stops it
    env … anomreason publish anomreason --repo-id me/anomreason   # with these variables

In a test: `with LoopbackHub() as hub: …`. Files are kept in memory. Datasets, models and Spaces alike; one branch, `main`. Large
files go the way of LFS, as they do there without Xet. A commit is refused whose `eval.yaml` (of a dataset) or
`.eval_results/*.yaml` (of a model) is not as the Hub's documentation specifies it; leaderboards are made of the latter. Faults can
be planted: `refuse` (the next requests get a status), `seconds` (each upload takes so long), `spoil` (an uploaded file is stored
with its last byte changed).
"""

import base64
import binascii
import contextlib
import hashlib
import json
import re
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

__all__ = ["LoopbackHub", "Repository"]

_KINDS = {"datasets": "dataset", "models": "model", "spaces": "space"}
_LICENSES = {"apache-2.0", "mit", "cc-by-4.0", "cc-by-nc-4.0", "other", "unknown"}
_SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M"}
_DATE = "2026-01-01T00:00:00.000Z"


class Repository:
    """A repository: `files` by path, whether it is `private`, how many `commits` it has had; `proposals`, pull requests, are the
    files that each would lead to."""

    def __init__(self, private: bool) -> None:
        self.files: dict[str, bytes] = {}
        self.large: set[str] = set()
        self.private = private
        self.commits = 0
        self.proposals: list[dict[str, bytes]] = []

    @property
    def sha(self) -> str:
        """The id of the last commit."""
        return hashlib.sha1(f"commit {self.commits}".encode()).hexdigest()

    def entry(self, path: str) -> dict[str, Any]:
        """A file as the tree shows it."""
        data = self.files[path]
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _blob(data)}
        if path in self.large:
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry


def _blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class LoopbackHub:
    """The server; use it in a `with` statement.

    Attributes:
        url (`str`): what `HF_ENDPOINT` should be.
        token (`str`): the only token it takes.
        repositories (`dict[tuple[str, str], Repository]`): by kind (`dataset`, `model`, `space`) and id.
        log (`list[str]`): method and path of every request.
        refuse (`list[int]`): statuses that the next uploads and commits get instead.
        seconds (`float`): how long each upload of a large file takes.
        spoil (`str`, *optional*): the end of the path of files that are stored damaged.
        gated (`set[str]`): ids of repositories whose files nobody gets whose access was not granted.
    """

    def __init__(self, token: str = "hf_loopback") -> None:
        self.token = token
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.log: list[str] = []
        self.refuse: list[int] = []
        self.seconds = 0.0
        self.spoil: str | None = None
        self.gated: set[str] = set()
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point Hugging Face libraries here, in a process that starts with them."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the hub's `log` has it."""

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _handle(self) -> None:
        split = urlsplit(self.path)
        path, query = unquote(split.path), parse_qs(split.query)
        length = int(self.headers.get("Content-Length") or 0)
        body = self._chunked() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        self.hub.log.append(f"{self.command} {path}")
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method:
                # Uploads carry their permission in the address, as signed links do; reading needs none.
                open_to_all = "/objects/" in path or path.endswith(("/validate-yaml", "/paths-info/main"))
                known = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
                if self.command in ("POST", "PUT") and not (known or open_to_all):
                    self._json({"error": "Invalid username or password."}, HTTPStatus.UNAUTHORIZED)
                    return
                if self.hub.refuse and (self.command == "PUT" or "/commit/" in path):
                    self._json({"error": "planted"}, self.hub.refuse.pop(0))
                    return
                with self.hub.lock if self.command != "PUT" else threading.Lock():
                    answer(self, match.groupdict(), query, body)
                return
        self._json({"error": f"Not found: {path}"}, HTTPStatus.NOT_FOUND)

    def _chunked(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, data: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _json(self, value: object, status: int = 200, **headers: str) -> None:
        self._send(json.dumps(value).encode(), status, Content_Type="application/json", **headers)

    def _repository(self, names: dict[str, str]) -> Repository | None:
        repository = self.hub.repositories.get((_KINDS[names.get("kind") or "models"], names["id"]))
        allowed = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if repository is None or (repository.private and not allowed):
            self._json({"error": "Repository not found"}, HTTPStatus.NOT_FOUND, X_Error_Code="RepoNotFound")
            return None
        return repository

    def create(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        wanted = json.loads(body)
        kind = wanted.get("type") or "model"
        identity = f"{wanted['organization']}/{wanted['name']}" if wanted.get("organization") else wanted["name"]
        prefix = "" if kind == "model" else f"{kind}s/"
        answer = {"url": f"{self.hub.url}/{prefix}{identity}", "name": identity}
        if (kind, identity) in self.hub.repositories:
            self._json(answer | {"error": "You already created this repo"}, HTTPStatus.CONFLICT)
            return
        private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        self.hub.repositories[kind, identity] = Repository(private)
        self._json(answer)

    def validate(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        """The checks of a card's front matter that can be made without the Hub's own lists."""
        asked = json.loads(body)
        errors = []
        match = re.match(r"---\n(.*?)\n---(?:\n|$)", asked["content"], re.DOTALL)
        try:
            data = yaml.safe_load(match[1]) if match else None
        except yaml.YAMLError as error:
            data = None
            errors.append(f"invalid YAML: {error}")
        if isinstance(data, dict):
            errors += [
                f'"{key}" must be a list of strings'
                for key in ("task_categories", "language", "size_categories", "tags", "annotations_creators")
                if key in data and not (isinstance(data[key], list) and all(isinstance(v, str) for v in data[key]))
            ]
            errors += [
                f'"size_categories" has {size}' for size in data.get("size_categories", []) if size not in _SIZES
            ]
            if data.get("license") not in (None, *_LICENSES):
                errors.append(f'"license" is {data["license"]}')
            if data.get("license") == "other" and not data.get("license_name"):
                errors.append('"license_name" is needed with "license: other"')
            for config in data.get("configs", []):
                if "config_name" not in config or not config.get("data_files"):
                    errors.append('"configs" need config_name and data_files')
        elif not errors:
            errors.append("the card has no front matter")
        told = {"errors": [{"message": message} for message in errors], "warnings": []}
        self._json(told, HTTPStatus.BAD_REQUEST if errors else HTTPStatus.OK)

    def preupload(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        repository = self._repository(names)
        if repository is None:
            return
        answers = []
        for file in json.loads(body)["files"]:
            sample = base64.b64decode(file["sample"])
            large = file["size"] > 10 * 2**20 or b"\0" in sample
            known = repository.entry(file["path"]) if file["path"] in repository.files else None
            oid = None if known is None else known.get("lfs", known)["oid"]
            mode = "lfs" if large else "regular"
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._json({"files": answers})

    def batch(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        wanted = json.loads(body)
        objects = []
        for one in wanted["objects"]:
            known = one["oid"] in self.hub.objects
            href = f"{self.hub.url}/objects/{one['oid']}"
            objects.append(one | ({} if known else {"actions": {"upload": {"href": href, "header": {}}}}))
        self._json({"transfer": "basic", "objects": objects})

    def store(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        time.sleep(self.hub.seconds)
        if hashlib.sha256(body).hexdigest() != names["oid"]:
            self._json({"error": "the content has another hash"}, HTTPStatus.BAD_REQUEST)
            return
        self.hub.objects[names["oid"]] = body
        self._send(b"")

    def commit(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        repository = self._repository(names)
        if repository is None:
            return
        files, large = dict(repository.files), set(repository.large)
        try:
            for line in body.splitlines():
                operation = json.loads(line)
                value = operation["value"]
                match operation["key"]:
                    case "file":
                        files[value["path"]] = base64.b64decode(value["content"], validate=True)
                        large.discard(value["path"])
                    case "lfsFile":
                        files[value["path"]] = self.hub.objects[value["oid"]]
                        large.add(value["path"])
                    case "deletedFile":
                        del files[value["path"]]
                    case "deletedFolder":
                        for path in [path for path in files if path.startswith(value["path"].rstrip("/") + "/")]:
                            del files[path]
        except (KeyError, ValueError, binascii.Error) as error:
            self._json({"error": f"bad commit: {error!r}"}, HTTPStatus.BAD_REQUEST)
            return
        if wrong := _unfit(_KINDS[names.get("kind") or "models"], files):
            self._json({"error": wrong}, HTTPStatus.BAD_REQUEST)
            return
        if self.hub.spoil:
            for path in [path for path in files if path.endswith(self.hub.spoil)]:
                files[path] = files[path][:-1] + bytes([files[path][-1] ^ 1])
        prefix = f"{names['kind']}/" if names.get("kind") not in (None, "models") else ""
        url = f"{self.hub.url}/{prefix}{names['id']}"
        proposed = {}
        if query.get("create_pr") == ["1"]:
            repository.proposals.append(files)
            proposed = {"pullRequestUrl": f"{url}/discussions/{len(repository.proposals)}"}
        else:
            # All at once: a commit appears whole or not at all.
            repository.files, repository.large = files, large & files.keys()
            repository.commits += 1
        self._json(
            {"success": True, "commitOid": repository.sha, "commitUrl": f"{url}/commit/{repository.sha}"} | proposed
        )

    def info(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        repository = self._repository(names)
        if repository is not None:
            siblings = [{"rfilename": path} for path in sorted(repository.files)]
            known = {"id": names["id"], "sha": repository.sha, "private": repository.private, "siblings": siblings}
            known["evalResults"] = [{"filename": path, "data": entry} for path, entry in _scores(repository)]
            self._json(known | {"tags": [], "downloads": 0, "likes": 0, "lastModified": _DATE, "cardData": None})

    def leaderboard(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        """The scores of all models here under the first task of a dataset's `eval.yaml`, best first."""
        repository = self._repository(names)
        if repository is None:
            return
        task = yaml.safe_load(repository.files["eval.yaml"])["tasks"][0]["id"]
        found = [
            {"modelId": model, "value": entry["value"], "filename": path, "notes": entry.get("notes")}
            for (kind, model), one in self.hub.repositories.items()
            for path, entry in _scores(one)
            if kind == "model" and entry["dataset"] == {"id": names["id"], "task_id": task}
        ]
        ranked = enumerate(sorted(found, key=lambda one: -one["value"]), 1)
        author = {"type": "org", "name": "loopback", "fullname": "Loopback", "avatarUrl": ""}
        self._json([one | {"rank": rank, "verified": False, "author": author} for rank, one in ranked])

    def tree(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        repository = self._repository(names)
        if repository is None:
            return
        below = names["path"].strip("/") + "/" if names.get("path") else ""
        inside = [path for path in sorted(repository.files) if path.startswith(below)]
        if below and not inside:
            self._json({"error": "no such folder"}, HTTPStatus.NOT_FOUND, X_Error_Code="EntryNotFound")
            return
        recursive = query.get("recursive", ["false"])[0].lower() in ("true", "1")
        depth = below.count("/")
        folders = {"/".join(path.split("/")[:end]) for path in inside for end in range(depth + 1, path.count("/") + 1)}
        entries = [repository.entry(path) for path in inside] + [_folder(path) for path in sorted(folders)]
        self._json([entry for entry in entries if recursive or entry["path"].count("/") == depth])

    def paths(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        repository = self._repository(names)
        if repository is None:
            return
        asked = self.headers.get("Content-Type", "")
        wanted = json.loads(body)["paths"] if "json" in asked else parse_qs(body.decode()).get("paths", [])
        found = []
        for path in wanted:
            if path in repository.files:
                found.append(repository.entry(path))
            elif any(name.startswith(f"{path.rstrip('/')}/") for name in repository.files):
                found.append(_folder(path))
        self._json(found)

    def resolve(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        repository = self._repository(names)
        if repository is None:
            return
        if names["revision"] not in ("main", repository.sha):
            self._json({"error": "Invalid rev id"}, HTTPStatus.NOT_FOUND, X_Error_Code="RevisionNotFound")
            return
        if names["id"] in self.hub.gated:
            self._json({"error": "Access is restricted"}, HTTPStatus.FORBIDDEN, X_Error_Code="GatedRepo")
            return
        data = repository.files.get(names["path"])
        if data is None:
            self._json({"error": "Entry not found"}, HTTPStatus.NOT_FOUND, X_Error_Code="EntryNotFound")
            return
        entry = repository.entry(names["path"])
        headers = {"ETag": f'"{entry.get("lfs", entry)["oid"]}"', "X_Repo_Commit": repository.sha}
        headers |= {"Accept_Ranges": "bytes", "Content_Type": "application/octet-stream"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked:
            start, end = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
            headers["Content_Range"] = f"bytes {start}-{end}/{len(data)}"
            self._send(data[start : end + 1], HTTPStatus.PARTIAL_CONTENT, **headers)
        else:
            self._send(data, **headers)

    def who(self, names: dict[str, str], query: dict[str, list[str]], body: bytes) -> None:
        access = {"accessToken": {"role": "write"}}
        named = {"name": "loopback", "fullname": "Loop Back", "avatarUrl": ""}
        self._json({"type": "user", **named, "orgs": [], "auth": access})


def _scores(repository: Repository) -> list[tuple[str, dict[str, Any]]]:
    """The entries of a model's `.eval_results/*.yaml`, each with its file."""
    paths = sorted(path for path in repository.files if re.fullmatch(r"\.eval_results/[^/]+\.yaml", path))
    return [(path, entry) for path in paths for entry in yaml.safe_load(repository.files[path])]


def _unfit(kind: str, files: dict[str, bytes]) -> str | None:
    """What is wrong with the files by which the Hub makes leaderboards (https://huggingface.co/docs/hub/eval-results)."""
    try:
        if kind == "dataset" and "eval.yaml" in files:
            content = yaml.safe_load(files["eval.yaml"])
            assert content.keys() <= {"name", "description", "evaluation_framework", "tasks"}, sorted(content)
            assert all(isinstance(content[key], str) for key in content if key != "tasks"), "a text is none"
            ids = [task["id"] for task in content["tasks"]]
            assert len(set(ids)) == len(ids) > 0, f"tasks {ids}"
            for task in content["tasks"]:
                assert task.keys() <= {"id", "config", "split"}, sorted(task)
        if kind == "model":
            for path in [path for path in files if path.startswith(".eval_results/")]:
                for entry in yaml.safe_load(files[path]):
                    assert entry.keys() <= {"dataset", "value", "verifyToken", "date", "source", "notes"}, sorted(entry)
                    assert "/" in entry["dataset"]["id"], entry["dataset"]
                    assert entry["dataset"].keys() <= {"id", "task_id", "revision"}, entry["dataset"]
                    assert isinstance(entry["value"], (int, float)), entry["value"]
                    assert isinstance(entry["dataset"]["task_id"], str), entry["dataset"]
    except (AssertionError, AttributeError, KeyError, TypeError, yaml.YAMLError) as error:
        return f"evaluation files: {error!r}"
    return None


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}


_API = r"/api/(?P<kind>datasets|models|spaces)/(?P<id>[^/]+/[^/]+)"
_ROUTES: list[tuple[tuple[str, ...], str, Any]] = [
    (("POST",), r"/api/repos/create", _Handler.create),
    (("POST",), r"/api/validate-yaml", _Handler.validate),
    (("GET",), r"/api/whoami-v2", _Handler.who),
    (("POST",), _API + r"/preupload/[^/]+", _Handler.preupload),
    (("POST",), _API + r"/commit/[^/]+", _Handler.commit),
    (("POST",), _API + r"/paths-info/[^/]+", _Handler.paths),
    (("GET",), _API + r"/tree/[^/]+(?:/(?P<path>.*))?", _Handler.tree),
    (("GET",), _API + r"/leaderboard", _Handler.leaderboard),
    (("GET",), _API + r"(?:/revision/[^/]+)?", _Handler.info),
    (("POST",), r"/(?:(?P<kind>datasets|spaces)/)?(?P<id>[^/]+/[^/]+)\.git/info/lfs/objects/batch", _Handler.batch),
    (("PUT",), r"/objects/(?P<oid>[0-9a-f]{64})", _Handler.store),
    (
        ("GET", "HEAD"),
        r"/(?:(?P<kind>datasets|spaces)/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        _Handler.resolve,
    ),
]


if __name__ == "__main__":
    with LoopbackHub() as served:
        print(" ".join(f"{name}={value}" for name, value in served.environment.items()), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
