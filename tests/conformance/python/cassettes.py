"""Recorded answers of real orgs, from CumulusCI's tests, and how they compare with ours."""

import json
import os
import re
from pathlib import Path
from urllib.parse import unquote_plus, urlsplit

import yaml

ROOT = Path(os.environ["CASSETTES"], "cumulusci")
# Where the recording left the version out, it was this one.
VERSION = "48.0"
ID = re.compile(r"\b(?=\w*\d)[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?\b")


class Interaction:
    """One recorded request and its answer."""

    def __init__(self, cassette, recorded):
        request, response = recorded["request"], recorded["response"]
        uri = urlsplit(request["uri"])
        self.cassette = cassette
        self.host = uri.netloc
        self.method = request["method"]
        self.path = uri.path.replace("/vxx.0/", f"/v{VERSION}/")
        self.query = uri.query
        self.body = (request.get("body") or "").replace("/vxx.0/", f"/v{VERSION}/")
        self.status = response["status"]["code"]
        self.answer = json_or_none(response["body"]["string"])
        parts = self.path.split("/")[4:]
        self.resource = [part for part in parts if part]

    def __str__(self):
        asked = unquote_plus(self.query)
        return f"{self.method} {self.path}{'?' if asked else ''}{asked}"

    @property
    def kind(self):
        """What is compared under which heading; None for what no simulated org has."""
        first, *rest = self.resource or [""]
        if not self.path.startswith("/services/data/") or self.answer is None and self.status != 204:
            return None
        if first == "composite":
            return "collections" if rest[:1] == ["sobjects"] else "composite"
        if first == "sobjects":
            return "describe" if rest[-1:] == ["describe"] or not rest else "records"
        if first == "limits":
            return "limits"
        return "query" if first == "query" else None


def json_or_none(text):
    try:
        return json.loads(text)
    except (TypeError, ValueError):  # XML, or a template of it
        return None


def interactions():
    """Every recorded interaction, cassette by cassette, in the order it was recorded."""
    for path in sorted(ROOT.rglob("*.yaml")):
        # Some were edited by hand, and their names say so: down to requests that no server would take.
        if "cassettes" not in path.parent.name or path.stem.startswith("ManualEdit"):
            continue
        held = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for recorded in held.get("interactions", [held]):
            while "include_file" in recorded:
                shared = ROOT / "tests" / "shared_cassettes" / recorded["include_file"]
                recorded = yaml.load(shared.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            if "request" in recorded and "string" in (recorded["response"].get("body") or {}):
                yield Interaction(path.stem, recorded)


def shape(value):
    """What kind of JSON it is, all the way down: the elements of a list together make one shape."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        together = None
        for each in value:
            together = shape(each) if together is None else merged(together, shape(each))
        return [] if together is None else [together]
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "null" if value is None else "string"


def merged(one, other):
    """The shape that both have; what only one of them says is kept."""
    if one == "null" or one == []:
        return other
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return {key: merged(one.get(key, other.get(key)), other.get(key, one.get(key))) for key in keys}
    if isinstance(one, list) and isinstance(other, list) and other:
        return [merged(one[0], other[0])]
    return one


def differences(theirs, ours, path=""):
    """Where two shapes differ: (path, what is the matter).

    Null says nothing of a type, an empty list nothing of its elements.
    """
    if "null" in (theirs, ours) or [] in (theirs, ours):
        if isinstance(theirs, list) != isinstance(ours, list) and "null" not in (theirs, ours):
            yield path, f"is {named(ours)}, not {named(theirs)}"
        return
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs:
            if key not in ours:
                yield f"{path}.{key}", "is missing"
            else:
                yield from differences(theirs[key], ours[key], f"{path}.{key}")
        for key in ours:
            if key not in theirs:
                yield f"{path}.{key}", "is not in the recording"
    elif isinstance(theirs, list) and isinstance(ours, list):
        yield from differences(theirs[0], ours[0], f"{path}[]")
    elif theirs != ours:
        yield path, f"is {named(ours)}, not {named(theirs)}"


def named(kind):
    return {dict: "an object", list: "a list"}.get(type(kind), f"a {kind}")


def error_codes(answer):
    """The codes of every error in an answer, in order; single records and collections name them differently."""
    if isinstance(answer, dict):
        own = [answer[key] for key in ("errorCode", "statusCode") if isinstance(answer.get(key), str)]
        return own + [code for each in answer.values() for code in error_codes(each)]
    if isinstance(answer, list):
        return [code for each in answer for code in error_codes(each)]
    return []
