"""The paper's experiments, one module each: `anomreason reproduce EXPERIMENT`.

Every experiment has one shape: it says what it will cost (`Cost`), runs, and gives a `Result`, which `pages` writes as
`result.json`, `.md`, `.html` and `.tex`. Without the user's own files it runs on rendered scenes (`embedded`), where the truth
is known, and the result says so. `docs/paper.md` has the claims of the paper and what each command gives.
"""
