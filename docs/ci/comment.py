"""`comment.py PLAN PROJECT`: a plan as a comment on the pull request that a workflow runs for; its token is $TOKEN.

There is one for each project, written anew by later runs. That it can't be written is told and fails nothing.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path
from typing import Any

FIND = """query($owner: String!, $name: String!, $number: Int!) { repository(owner: $owner, name: $name) {
pullRequest(number: $number) { id comments(last: 100) { nodes { id body viewerDidAuthor } } } } }"""
ADD = "mutation($on: ID!, $body: String!) { addComment(input: {subjectId: $on, body: $body}) { clientMutationId } }"
CHANGE = "mutation($on: ID!, $body: String!) { updateIssueComment(input: {id: $on, body: $body}) { clientMutationId } }"
MOST_CHARACTERS = 65_000  # GitHub takes 65,536
TIMEOUT_SECONDS = 30


def ask(query: str, **variables: object) -> dict[str, Any]:
    """The answer to a GraphQL query of the API that the runner names.

    Raises: OSError, HTTPException, ValueError, when there is none or it tells of errors.
    """
    request = urllib.request.Request(  # noqa: S310 - the runner's own address
        os.environ["GITHUB_GRAPHQL_URL"],
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Authorization": f"bearer {os.environ['TOKEN']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
        answer: dict[str, Any] = json.load(response)
    if answer.get("errors"):
        raise ValueError("; ".join(str(error.get("message")) for error in answer["errors"]))
    found: dict[str, Any] = answer["data"]
    return found


def comment(plan: str, project: str) -> None:
    """Write it, into our own comment where there is one.

    Raises: OSError, HTTPException, ValueError, KeyError, as the API and the runner's files give them.
    """
    mark = f"<!-- renderer {sha256(project.encode()).hexdigest()[:16]} -->"
    body = f"{mark}\n{plan}"
    owner, _, name = os.environ["GITHUB_REPOSITORY"].partition("/")
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))
    found = ask(FIND, owner=owner, name=name, number=event["pull_request"]["number"])
    pull = found["repository"]["pullRequest"]
    # Anybody may write our mark into a comment of theirs.
    ours = [one["id"] for one in pull["comments"]["nodes"] if one["viewerDidAuthor"] and one["body"].startswith(mark)]
    ask(CHANGE if ours else ADD, on=ours[-1] if ours else pull["id"], body=body)


def plain(text: str) -> str:
    """One line that no workflow command ends or begins in."""
    return " ".join(text.split()).replace("%", "%25").replace("##[", "## [")


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text("utf-8")
    cut = text if len(text) <= MOST_CHARACTERS else "### Plan\n\nIt is too long for a comment: see the job's summary."
    try:
        comment(cut, sys.argv[2])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        print(f"::warning title=renderer::no comment was written, the plan is in the summary: {plain(str(error))}")
