"""Who asks: what tells visitors apart in the line, and nothing that is kept."""

import ipaddress
import os
from typing import Any

__all__ = ["client_of"]


def client_of(request: Any) -> str:
    """The network address of a request; of IPv6 the half that a household or a phone is given.

    On a Space all requests come from Hugging Face's proxy, which adds the visitor's address to the end of `X-Forwarded-For`;
    what comes before that was sent by the visitor. Elsewhere the header is not trusted.

    Args:
        request (`gradio.Request` or `starlette.requests.Request`): what came.
    """
    address = request.client.host if request.client else ""
    if os.environ.get("SPACE_ID"):
        hops = [one.strip() for one in request.headers.get("x-forwarded-for", "").split(",")]
        address = next((one for one in reversed(hops) if _public(one)), address)
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network(f"{found}/64", strict=False)) if found.version == 6 else str(found)


def _public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
