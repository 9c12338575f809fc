"""How programs ask: snippets that run as they are printed, on the page and in the Space's card."""

from typing import NamedTuple

__all__ = ["Snippet", "snippets"]


class Snippet(NamedTuple):
    """A piece of code to copy: `name` is the language that it is written in."""

    name: str
    label: str
    about: str
    code: str


_CURL = """\
URL={url}
FILE=$(curl -s -F files=@picture.jpg $URL/gradio_api/upload | cut -d'"' -f2)
EVENT=$(curl -s $URL/gradio_api/call/examine -H 'Content-Type: application/json' \\
  -d '{{"data": [{{"path": "'$FILE'", "orig_name": "picture.jpg", "meta": {{"_type": "gradio.FileData"}}}}]}}' | cut -d'"' -f4)
curl -sN $URL/gradio_api/call/examine/$EVENT"""

_PYTHON = """\
from gradio_client import Client, handle_file

client = Client("{url}", verbose=False)
job = client.submit(handle_file("picture.jpg"), api_name="/examine")
for answer in job:  # partial answers first, the complete one last
    print(answer["status"], [anomaly["name"] for anomaly in answer["anomalies"]])"""

_MCP = """\
{{"mcpServers": {{"anomreason": {{"url": "{url}/gradio_api/mcp/"}}}}}}"""


def snippets(address: str) -> list[Snippet]:
    """The snippets for a page at an address."""
    url = address.rstrip("/")
    return [
        Snippet("bash", "REST", "Upload, ask, read the answer as it grows: server-sent events.", _CURL.format(url=url)),
        Snippet("python", "Python", "The same with gradio_client.", _PYTHON.format(url=url)),
        Snippet("json", "MCP", "A tool for language models, over streamable HTTP.", _MCP.format(url=url)),
    ]
