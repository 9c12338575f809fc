"""The documentation site: the files of the repository as they are, the commands' own help, and the docstrings; `make docs`.

The repository is the source directory, so that a link leads to the same file here and where the repository is browsed.
"""

from importlib import metadata
from typing import Any

project = "AnomReason"
release = metadata.version("anomreason")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "README.md",
    "RELEASE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "metric_semap/README.md",
    "space/README.md",
    "trainer/tiny/model/README.md",
    "trainer/tiny/LOG.md",
]
myst_heading_anchors = 4
default_role = "literal"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}
html_theme = "furo"
html_show_copyright = html_show_sourcelink = html_copy_source = False
html_extra_path = ["index.html"]  # the source directory is one above this one, and so is the front page
html_title = f"AnomReason {release}"
html_theme_options = {"navigation_with_keys": True}
napoleon_use_ivar = True


def _examples(app: Any, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """An example in a docstring is fenced, as in Markdown, which editors and Hugging Face's pages show."""
    fenced = False
    for number, line in enumerate(lines):
        if line.startswith("```"):
            fenced = not fenced
            lines[number] = f".. code-block:: {line[3:]}\n" if fenced else ""
        elif fenced:
            lines[number] = f"   {line}"
    lines[:] = "\n".join(lines).split("\n")


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", _examples)
