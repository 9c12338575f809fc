"""Served is the page and nothing else: no file by any path, nothing without a login where there is one, no markup that runs."""

import http.client
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from agent.review.accounts import Accounts, add_account
from agent.review.desk import Desk
from dataset_builder.errors import InputError, PictureError
from dataset_builder.scenes import write_scenes
from tests.reviewing import COMMAND, ReviewServer, write_run

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


def session(server: ReviewServer, name: str, password: str) -> urllib.request.OpenerDirector:
    """A browser's session after an attempt to log in."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    body = urllib.parse.urlencode({"username": name, "password": password}).encode()
    opener.open(f"{server.url}/login", body, timeout=60).read()
    return opener


def ask(server: ReviewServer, opener: urllib.request.OpenerDirector, event: str, *data: object) -> object:
    request = urllib.request.Request(
        f"{server.url}/gradio_api/run/{event}",
        json.dumps({"data": data}).encode(),
        {"content-type": "application/json"},
    )
    return json.load(opener.open(request, timeout=60))["data"][0]


def status(server: ReviewServer, path: str) -> tuple[int, bytes]:
    """The answer to a path exactly as it stands, which no client has tidied up."""
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_who_has_logged_in_is_the_reviewer(served: ReviewServer, place: Path) -> None:
    """Whatever name a request gives; a wrong password, an unknown name or no login get nothing."""
    ann = session(served, "ann", "correct horse")
    state = ask(served, ann, "next", "bob")
    assert state["reviewer"] == "ann"  # type: ignore[index]
    key = state["items"][0]["item"]  # type: ignore[index]
    assert ask(served, ann, "verdict", key, "accept", "bob", "t", 1, "", None)["reviewer"] == "ann"  # type: ignore[index]
    for name, password in (("ann", "wrong"), ("eve", "correct horse"), ("", "")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            session(served, name, password)
        assert refused.value.code in (400, 422)
    for event, data in (("next", ["ann"]), ("verdict", [key, "reject", "ann", "x", 1, "", None]), ("picture", [key])):
        with pytest.raises(AssertionError, match="Not authenticated"):
            served.call(event, *data)


def test_no_path_leads_to_a_file(place: Path) -> None:
    """Traversal, absolute paths, the verdicts, the journal, links and files beside the pictures; from the run's directory."""
    run = place / "run"
    server = ReviewServer(run).wait()
    try:
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
                    "gradio_api/file=",
                    "file=",
                    "gradio_api/file/",
                    "static/",
                    "assets/",
                    "gradio_api/stream/",
                    "",
                ):
                    code, content = status(server, f"/{route}{name}")
                    assert code in (307, 400, 403, 404, 405), (route, name, code)
                    assert file.read_bytes()[:40] not in content
        known = server.call("next", "ann")["items"][0]
        for key in (known["item"], "link.png", "../secret.png", str(place / "secret.png"), "file:///etc/passwd", ""):
            with pytest.raises(AssertionError, match="no such picture"):
                server.call("picture", key)
        assert server.call("picture", known["picture"]).startswith("data:image/png;base64,")
    finally:
        server.close()


def test_a_page_from_elsewhere_cannot_answer(served: ReviewServer) -> None:
    """Without the type that makes a browser ask first, a request is refused; when it asks, another origin is not allowed."""
    request = urllib.request.Request(
        f"{served.url}/gradio_api/run/next", b'{"data": ["ann"]}', {"content-type": "text/plain"}
    )
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=60)
    asked = urllib.request.Request(
        f"{served.url}/gradio_api/run/verdict",
        headers={"origin": "https://elsewhere.example", "access-control-request-method": "POST"},
        method="OPTIONS",
    )
    assert urllib.request.urlopen(asked, timeout=60).headers["access-control-allow-origin"] is None


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
        (["--host", "0.0.0.0", "--auth-file", str(tmp_path / "plain")], "plain:1: is no account"),
    ):
        done = subprocess.run([COMMAND, "review", place / "run", *options], capture_output=True, text=True, check=False)
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
    with pytest.raises(InputError, match="no name"):
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


def test_the_page_can_be_a_tab_of_another_app(place: Path) -> None:
    """Its events keep their names there, and work without a file being allowed."""
    import gradio as gr
    from gradio_client import Client

    from agent.review.app import review_page

    desk = Desk(place / "run")
    page = review_page(desk)
    with gr.Blocks(analytics_enabled=False) as app:
        with gr.Tab("Elsewhere"):
            gr.Markdown("Something else.")
        with gr.Tab("Review"):
            page.render()
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        client = Client(url, verbose=False)
        item = client.predict("tab", api_name="/next")["items"][0]
        state = client.predict(item["item"], "unsure", "tab", api_name="/verdict")
        assert state["progress"]["yours"] == 1
        assert client.predict("tab", api_name="/undo")["undone"]["item"] == item["item"]
    finally:
        app.close(verbose=False)
        desk.store.close()
