"""Fetches a picture from a web address, where the operator allows it, and from nowhere inside the network that this server is in.

The name is resolved once, every address that it has must be a public one, and the connection goes to the address that was checked:
a name that changes its mind between the check and the connection (DNS rebinding) gains nothing. Redirects are not followed.
"""

import asyncio
import ipaddress
import socket
from urllib.parse import unquote, urlsplit

import httpx2

from dataset_builder.errors import PictureError
from space.uploads import MAX_BYTES

__all__ = ["fetch"]

SECONDS = 20.0
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # public by its looks; behind it may be any IPv4 address


async def fetch(address: str) -> tuple[bytes, str]:
    """A file on the web, and what it is called there.

    Raises:
        PictureError: if the address is not a public web address, or nothing usable comes back; in words for who asked.
    """
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS[parts.scheme]
        host = (parts.hostname or "").encode("idna").decode()
    except (KeyError, ValueError):
        raise PictureError(f"{address[:200]}: this is not a web address; begin it with https://") from None
    if not host or port != _PORTS[parts.scheme] or parts.username is not None:
        raise PictureError(f"{address[:200]}: only plain web addresses are fetched, without a port or a user name")
    try:
        async with asyncio.timeout(SECONDS):
            ip = await _public(host)
            return await _get(
                parts.scheme, host, ip, f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            ), (unquote(parts.path).rsplit("/", 1)[-1] or "picture")
    except (OSError, httpx2.HTTPError, TimeoutError):
        raise PictureError(f"{host}: no picture came back from there; send the picture itself") from None


async def _public(host: str) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = {str(one[4][0]) for one in found}
    if not addresses or not all(map(_allowed, addresses)):
        raise PictureError(f"{host}: is not on the public web, and nothing else is fetched; send the picture itself")
    return sorted(addresses, key=lambda one: (":" in one, one))[0]


def _allowed(address: str) -> bool:
    """Whether an address is one of the public internet's."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    return ip.is_global and not ip.is_multicast and ip not in _NAT64


async def _get(scheme: str, host: str, ip: str, rest: str) -> bytes:
    # To the address that was checked, under the name that was asked for; the certificate has to be that name's.
    headers = {"Host": host, "Accept": "image/*", "User-Agent": "AnomReason"}
    async with (
        httpx2.AsyncClient(follow_redirects=False, trust_env=False) as client,
        client.stream(
            "GET", f"{scheme}://{_place(ip)}{rest}", headers=headers, extensions={"sni_hostname": host}
        ) as response,
    ):
        if response.status_code != 200:
            raise PictureError(f"{host}: answered with status {response.status_code}; give the picture's own address")
        data = bytearray()
        async for piece in response.aiter_bytes():
            data += piece
            if len(data) > MAX_BYTES:
                raise PictureError(f"This file is larger than {MAX_BYTES // 2**20} MB; please send a smaller one.")
        return bytes(data)


def _place(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
