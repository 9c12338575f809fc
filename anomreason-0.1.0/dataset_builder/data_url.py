"""Files inside pages and requests: `data:` URLs, the only kind of address that is ever put into one."""

import base64

__all__ = ["data_url"]


def data_url(data: bytes, kind: str) -> str:
    """A file as a `data:` URL.

    Args:
        data (`bytes`): its content.
        kind (`str`): its media type, such as `image/png`.

    >>> data_url(b"cup", "text/plain")
    'data:text/plain;base64,Y3Vw'
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
