"""Served is the page and nothing else: no file by any path, nothing without a login where there is one, no markup that runs."""

import http.client
import json
import re
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from agent.review.accounts import Accounts, add_account
from agent.review.app import review_app
from agent.review.desk import Desk
from agent.review.guard import LOOPBACK
from agent.review.store import FILE
from dataset_builder.errors import InputError, PictureError
from dataset_builder.scenes import write_scenes
from tests.commands import run_command
from tests.reviewing import ReviewServer, write_run

SECRET = b"nobody may read this"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with secrets in it and around it."""
    place = tmp_path_factory.mktemp("place")
    write_run(place / "run", write_scenes(place / "scenes", 8, seed=5))
    (place / "secret.png").write_bytes(SECRET)
    (place / "run" / "journal.sqlite").write_bytes(SECRET)
    (place / "scenes" / "images" / "link.png").symlink_to(place / "secret.png")
    (place / "scenes" / "images" / "notes.txt").write_bytes(SECRET)
    return place


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[ReviewServer]:
    accounts = place / "accounts"
    add_account(accounts, "ann", "correct horse")
    server = ReviewServer(place / "run", "--auth-file", accounts)
    yield server.wait()
    server.close()


@pytest.fixture(scope="module")
def open_to_all(place: Path) -> Iterator[ReviewServer]:
    """Without a login, from the run's directory."""
    server = ReviewServer(place / "run")
    yield server.wait()
    server.close()


def session(server: ReviewServer, name: str, password: str) -> urllib.request.OpenerDirector:
    """A browser's session after an attempt to log in."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    ask(server, opener, "login", name=name, password=password)
    return opener


def ask(server: ReviewServer, opener: urllib.request.OpenerDirector, event: str, **fields: object) -> Any:
    request = urllib.request.Request(
        f"{server.url}/api/{event}", json.dumps(fields).encode(), {"content-type": "application/json"}
    )
    return json.load(opener.open(request, timeout=60))


def status(
    server: ReviewServer, path: str, method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """The answer to a path exactly as it stands, which no client has tidied up; `_` in a header's name is a hyphen."""
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    connection.putrequest(method, path, skip_accept_encoding=True, skip_host="host" in headers)
    for name, value in (headers | {"content_length": str(len(body))}).items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def test_who_has_logged_in_is_the_reviewer(served: ReviewServer, place: Path) -> None:
    """Whatever name a request gives; a wrong password, an unknown name or no login get nothing."""
    ann = session(served, "ann", "correct horse")
    state = ask(served, ann, "next", reviewer="bob")
    assert state["reviewer"] == "ann"
    key, picture = state["focus"], state["picture"]
    assert ask(served, ann, "verdict", item=key, verdict="accept", reviewer="bob")["reviewer"] == "ann"
    assert ann.open(f"{served.url}/pictures/{picture}", timeout=60).headers["content-type"] == "image/png"
    for name, password in (("ann", "wrong"), ("eve", "correct horse"), ("", "")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            session(served, name, password)
        assert refused.value.code == 401
    for event, fields in (("next", {}), ("verdict", {"item": key, "verdict": "reject"}), ("search", {}), ("leave", {})):
        with pytest.raises(AssertionError, match="not logged in"):
            served.call(event, reviewer="ann", **fields)
    assert status(served, f"/pictures/{picture}")[0] == 401
    ask(served, ann, "logout")
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(served, ann, "next")
    assert refused.value.code == 401


def test_no_path_leads_to_a_file(open_to_all: ReviewServer, place: Path) -> None:
    """Traversal, absolute paths, the verdicts, the journal, links and files beside the pictures; from the run's directory."""
    run, server = place / "run", open_to_all
    wanted = [
        run / "verdicts.sqlite", run / "journal.sqlite", run / "annotations.jsonl", run / "run.json",
        place / "secret.png", place / "scenes" / "images" / "link.png", place / "scenes" / "images" / "notes.txt",
        place / "scenes" / "scenes.jsonl", next((place / "scenes" / "images").glob("*_odd.png")), Path("/etc/passwd"),
    ]  # fmt: skip
    for file in wanted:
        dots = "../" * 12 + str(file).lstrip("/")
        for name in (
            str(file),
            dots,
            urllib.parse.quote(dots, safe=""),
            urllib.parse.quote(str(file), safe=""),
            file.name,
        ):
            for route in (
                "page/",
                "page/../../",
                "pictures/",
                "api/",
                "",
            ):
                code, content, _ = status(server, f"/{route}{name}")
                assert code in (307, 400, 404, 405), (route, name, code)
                assert file.read_bytes()[:40] not in content
    known = server.call("next", reviewer="ann")
    for key in (known["focus"], "link.png", "..%2fsecret.png", "file:%2f%2f%2fetc%2fpasswd"):
        code, content, _ = status(server, f"/pictures/{key}")
        assert code == 404
        assert b"PNG" not in content
    assert status(server, f"/pictures/{known['picture']}")[1].startswith(b"\x89PNG")


JSON = {"content_type": "application/json"}


def stored(place: Path) -> int:
    with sqlite3.connect(place / "run" / FILE) as db:
        (count,) = db.execute("SELECT count(*) FROM events").fetchone()
    db.close()
    return int(count)


def test_a_foreign_host_gets_nothing(open_to_all: ReviewServer, place: Path) -> None:
    """DNS rebinding: a page of another name that leads to this machine reads no picture, no page, and stores no verdict."""
    known = open_to_all.call("next", reviewer="ann")
    port = urllib.parse.urlsplit(open_to_all.url).port
    body = json.dumps({"reviewer": "ann", "item": known["focus"], "verdict": "accept"}).encode()
    before = stored(place)
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1.evil.example",
        "",
        "127.0.0.1@evil.example",
        "0.0.0.0",
        "[::1",
    ):
        origin = {"origin": f"http://{host}", "sec_fetch_site": "same-origin"}  # as the browser sees it, it is one site
        for path, method in (
            ("/api/verdict", "POST"),
            ("/", "GET"),
            (f"/pictures/{known['picture']}", "GET"),
            ("/api/about", "GET"),
        ):
            code, content, _ = status(open_to_all, path, method, body, host=host, **origin, **JSON)
            assert code in (400, 403), (host, path)
            assert b"PNG" not in content
    assert stored(place) == before
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "LOCALHOST"):
        assert status(open_to_all, "/api/about", host=host)[0] == 200


def test_a_page_from_elsewhere_cannot_answer(open_to_all: ReviewServer, place: Path) -> None:
    """Another origin, another site, a form's content type: refused, and no permission is given when the browser asks first."""
    known = open_to_all.call("next", reviewer="ann")
    port = urllib.parse.urlsplit(open_to_all.url).port
    body = json.dumps({"reviewer": "ann", "item": known["focus"], "verdict": "accept"}).encode()
    before = stored(place)
    for headers in (
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": f"http://127.0.0.1:{(port or 0) + 1}"},
        {"origin": open_to_all.url, "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ):
        code, content, _ = status(open_to_all, "/api/verdict", "POST", body, **headers, **JSON)
        assert code == 403, headers
        assert b"open that page" in content
    assert status(open_to_all, "/api/verdict", "POST", body, content_type="text/plain")[0] == 415
    asked = {"origin": "https://elsewhere.example", "access_control_request_method": "POST"}
    assert status(open_to_all, "/api/verdict", "OPTIONS", **asked)[2]["access-control-allow-origin"] is None
    assert stored(place) == before
    assert status(open_to_all, "/api/verdict", "POST", body, origin=open_to_all.url, **JSON)[0] == 200
    assert stored(place) == before + 1


def test_nothing_foreign_runs_in_the_page_and_nobody_frames_it(open_to_all: ReviewServer) -> None:
    """Scripts and styles are files of this server; the page's own markup has neither inline."""
    for path in ("/", "/page/main.js", "/api/about", "/nowhere"):
        _, _, headers = status(open_to_all, path)
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
        assert not any(word in headers["content-security-policy"] for word in ("unsafe", "*", "http"))
    page = status(open_to_all, "/")[1].decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[]", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"reviewer": 3}', 400),
        (b'{"reviewer": "ann", "item": {}}', 400),
        (b'{"reviewer": "ann", "nonsense": 1}', 400),
        (b'{"reviewer": "ann", "show": ["x"]}', 400),
        (b'{"reviewer": "ann", "show": "\\ud800"}', 400),
        (b'{"reviewer": "ann", "show": "DROP TABLE items"}', 400),
        (b"\xff", 400),
        (b'{"reviewer": "' + b"a" * 300_000 + b'"}', 413),
    ],
)
def test_requests_that_mean_harm_are_sentences(open_to_all: ReviewServer, body: bytes, code: int) -> None:
    """A status and what is wrong; the server goes on."""
    found, content, _ = status(open_to_all, "/api/next", "POST", body, **JSON)
    assert found == code
    assert len(json.loads(content)["error"]) < 400
    assert status(open_to_all, "/api/nothing", "POST", b"{}", **JSON)[0] == 404


def test_a_picture_that_became_a_link_or_is_none_is_not_shown(place: Path, tmp_path: Path) -> None:
    """What a run names need not be what it should be."""
    run = write_run(tmp_path / "run", write_scenes(tmp_path / "scenes", 6, seed=6))
    desk = Desk(run)
    first, second, *_ = {item.picture: item.image_id for item in desk.store.items()}.items()
    for (_, name), content in ((first, None), (second, b"<html>")):
        path = tmp_path / "scenes" / "images" / name
        path.unlink()
        path.write_bytes(content) if content else path.symlink_to(place / "secret.png")
    with pytest.raises(InputError, match="no such picture"):
        desk.picture(first[0])
    with pytest.raises(PictureError, match="is not a picture"):
        desk.picture(second[0])
    desk.store.close()


def test_elsewhere_than_on_this_machine_only_behind_a_login(place: Path, tmp_path: Path) -> None:
    """One line and exit code 2; a file with plain passwords is no file of accounts, and is not quoted."""
    (tmp_path / "plain").write_text("ann:hunter22\n")
    for options, words in (
        (["--host", "0.0.0.0"], "--auth-file"),
        (["--host", "::"], "--auth-file"),
        (["--host", "0.0.0.0", "--auth-file", str(tmp_path / "plain")], "plain:1: is not an account"),
    ):
        done = run_command("review", place / "run", *options)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "hunter22" not in done.stderr


def test_passwords_are_kept_as_hashes(tmp_path: Path) -> None:
    """Salted; a new password replaces the old one; the file is for its owner alone."""
    path = tmp_path / "accounts"
    add_account(path, "ann", "correct horse")
    add_account(path, "bob", "correct horse")
    add_account(path, "ann", "battery staple")
    text = path.read_text()
    assert "horse" not in text
    assert "staple" not in text
    assert len({line.split(":")[3] for line in text.splitlines()}) == 2
    assert path.stat().st_mode & 0o077 == 0
    accounts = Accounts(path)
    assert accounts.admits("ann", "battery staple")
    assert accounts.admits("bob", "correct horse")
    for name, password in (("ann", "correct horse"), ("ann", ""), ("eve", "battery staple"), ("", "")):
        assert not accounts.admits(name, password)
    with pytest.raises(InputError, match="fewer than 8"):
        add_account(path, "eve", "short")
    with pytest.raises(InputError, match="not a name"):
        add_account(path, "a:b", "long enough")


def test_the_command_asks_for_the_password_and_takes_it_from_nowhere_visible(tmp_path: Path) -> None:
    """It is typed twice, unseen, or in the environment; as an option, which everybody could read, there is none."""
    from typer.testing import CliRunner

    from agent.review.commands import app

    path = tmp_path / "accounts"
    command = ["verdicts", "account", str(path), "ann"]
    asked = CliRunner().invoke(app, command, input="correct horse\ncorrect horse\n")
    assert asked.exit_code == 0
    assert "horse" not in asked.output
    assert Accounts(path).admits("ann", "correct horse")
    assert CliRunner().invoke(app, command, env={"REVIEW_PASSWORD": "battery staple"}).exit_code == 0
    assert Accounts(path).admits("ann", "battery staple")
    assert CliRunner().invoke(app, [*command, "--password", "correct horse"]).exit_code == 2


def test_the_desk_can_be_mounted_in_another_app(place: Path) -> None:
    """Below any path: its page asks for everything beside itself, and is guarded there too."""
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    desk = Desk(place / "run")
    app = Starlette(routes=[Mount("/review", review_app(desk, hosts=LOOPBACK))])
    with TestClient(app, base_url="http://localhost") as client:
        page = client.get("/review/").text
        assert not re.search(r'(?:src|href)="/', page)
        assert client.get("/review/page/main.js").status_code == 200
        state = client.post("/review/api/next", json={"reviewer": "tab"}).json()
        client.post("/review/api/verdict", json={"reviewer": "tab", "item": state["focus"], "verdict": "unsure"})
        undone = client.post("/review/api/undo", json={"reviewer": "tab"}).json()["undone"]
        assert undone["item"] == state["focus"]
        assert client.get("/review/", headers={"host": "evil.example"}).status_code == 403
    desk.store.close()
