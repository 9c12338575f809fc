"""Serves the review desk: on this machine for whoever is at it, elsewhere only behind a login."""

import errno
import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn

from agent.review.accounts import Accounts, check_host
from agent.review.app import review_app
from agent.review.desk import Desk
from agent.review.guard import LOOPBACK, is_loopback
from dataset_builder.errors import UnavailableError

__all__ = ["serve"]


def serve(
    desk: Desk,
    *,
    host: str,
    port: int,
    accounts: Accounts | None,
    reviewer: str | None,
    guidelines: str,
    begun: Callable[[], None],
) -> None:
    """Serve until interrupted.

    Args:
        desk (`Desk`): the run under review.
        host (`str`), port (`int`): where.
        accounts (`Accounts`, *optional*): who may log in; needed for a host that others can reach.
        reviewer (`str`, *optional*): who reviews, when nobody logs in.
        guidelines (`str`): HTML of the guidelines, empty for none.
        begun (callable): called once the page can be opened.

    Raises:
        InputError: if others could reach the page and nobody would have to log in.
        UnavailableError: if the port is in use, or the host and port cannot be used.
    """
    check_host(host, accounts)
    # Elsewhere the public name is the proxy's to choose, and whoever comes under another one has no login there.
    hosts = LOOPBACK | {host} if is_loopback(host) else None
    app = review_app(desk, reviewer=reviewer, accounts=accounts, hosts=hosts, guidelines=guidelines)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        taken = socket.create_server((host, port), family=family)
    except OSError as error:
        why = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror or error})"
        raise UnavailableError(f"port {port} {why} on {host}; choose another with --port") from None
    with taken, closing(desk.store):
        begun()
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[taken])
