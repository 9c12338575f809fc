"""A visitor signs in with Hugging Face, and a real model looks at their picture out of their own quota.

Gradio's local stand-in for the login, a Hub and an endpoint on loopback: everything but huggingface.co.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from space.settings import Settings
from space.visitors import Visitors
from tests.loopback_hub import LoopbackHub
from tests.serving import Served, serve_space
from tests.space.test_page import finding, noise, send
from tests.stub_endpoint import StubEndpoint, serve_stub

TOKEN = "mock-oauth-token-for-local-dev"
"""What Gradio's stand-in gives whoever signs in."""


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, StubEndpoint]]:
    """The tiny model's page, with a model that visitors pay for."""
    with LoopbackHub() as hub, serve_stub() as stub:
        options = ("--visitors-model", "org/stub-vl", "--visitors-url", stub.base_url)
        with serve_space(tmp_path_factory.mktemp("signing"), *options, **hub.environment) as served:
            yield served, stub


@pytest.mark.browser
def test_a_visitor_signs_in_and_a_real_model_looks_at_their_photograph(
    open_page: Any, signing: tuple[Served, StubEndpoint]
) -> None:
    """The cost is told before; signed out, the model cannot be chosen; signed in, its answer comes, paid by the visitor's token."""
    served, stub = signing
    page = open_page(served)
    assert page.get_by_label("stub-vl").is_disabled()
    assert "$0.0007" in page.inner_text(".ar-ways")
    assert "stub-vl" in page.inner_text(".ar-banner")
    send(page, noise(), "photo.png")
    page.locator("#results [data-status=unknown]").wait_for()
    assert "your own account pays" in page.inner_text("#results")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_text("Signed in as").wait_for()
    page.get_by_label("stub-vl").check()
    stub.pieces = ["[" + finding("Six fingers", 8) + "]"]
    send(page, noise(), "photo.png")
    page.get_by_role("heading", name="Six fingers").wait_for()
    page.locator("#results .ar-downloads").wait_for()
    assert stub.keys == {f"Bearer {TOKEN}"}
    assert TOKEN not in page.content()
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("link", name="Sign in").wait_for()
    assert page.get_by_label("stub-vl").is_disabled()


def test_a_token_is_kept_nowhere(signing: tuple[Served, StubEndpoint]) -> None:
    """Neither in a file of the server nor in its log."""
    served, _ = signing
    kept = [path for path in served.uploads.parent.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []


@pytest.mark.browser
def test_a_model_that_visitors_pay_for_needs_a_visitor_who_has_signed_in(
    open_page: Any, signing: tuple[Served, StubEndpoint]
) -> None:
    """Whatever a page sends: without a token nobody is asked, least of all at the operator's cost."""
    served, stub = signing
    stub.reset()
    page = open_page(served)
    page.evaluate("""document.querySelector("[name=way][value=yours]").disabled = false""")
    page.get_by_label("stub-vl").check()
    send(page)
    page.locator("#results [role=alert]").wait_for()
    assert "sign in" in page.inner_text("#results [role=alert]")
    assert stub.asked == []


def test_the_cost_of_a_picture() -> None:
    """From the cheapest provider's price; without one, that nobody says."""
    with serve_stub() as stub:
        assert "$0.0007 at the cheapest provider" in Visitors(stub.base_url, "org/stub-vl").cost
        assert "depends on the provider" in Visitors(stub.base_url, "org/another").cost
    assert "depends on the provider" in Visitors("http://127.0.0.1:9/v1", "org/stub-vl").cost


def test_visitors_tokens_go_where_the_operator_says() -> None:
    """To Hugging Face's router, unless another address is set."""
    assert Settings(visitors_model="a/b").visitors_url == "https://router.huggingface.co/v1"
    variables = {"ANOMREASON_VISITORS_MODEL": "a/b", "ANOMREASON_VISITORS_URL": "http://127.0.0.1:9/v1"}
    assert Settings.from_environment(variables).visitors_url == "http://127.0.0.1:9/v1"
