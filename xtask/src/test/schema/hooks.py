"""What no schema can say, told to the fuzzer that reads the node's own description of its API."""

import json
import os
import re
import urllib.parse
import urllib.request

import schemathesis

NODE = os.environ["SENSOCTO_URL"]
# Which marks, cursors and worlds exist is no matter of their form: well-formed ones become one that the node gave, or none.
with urllib.request.urlopen(f"{NODE}/api/v1/mark", timeout=10) as answer:
    MARK = json.load(answer)["mark"]
ONE_MARK = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}@[0-9]{1,19}:[0-9]{1,19}"
MARKS = re.compile(rf"{ONE_MARK}(,{ONE_MARK}){{0,15}}")
WORLD = re.compile(r"[0-9]{1,19}\.[0-9]{1,19}")
# Of users, `after` is any id.
WITH_CURSORS = ("/api/v1/sensors", "/api/v1/connectors", "/api/v1/rooms")
# Ids, descriptions and configurations are counted in bytes; patterns count characters.
ID_BYTES_MAX = 128
DESCRIPTION_BYTES_MAX = 2_000
CONFIGURATION_BYTES_MAX = 4_096

# Every other id of a room becomes that of one that is there: otherwise nothing is ever done to any. What else the path has must be
# well-formed for that, because the fuzzer takes a path that was changed for one that has to be accepted.
ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]{1,128}")
ROOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def made():
    request = urllib.request.Request(f"{NODE}/api/v1/rooms", data=b"{}", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["room"]["id"]


ROOMS = [made() for _ in range(3)]


def bytes_of(text):
    return len(text.encode("utf-8", "surrogatepass"))


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query or {}
    at_least = query.get("at_least")
    if isinstance(at_least, str) and MARKS.fullmatch(at_least):
        query["at_least"] = MARK
    if isinstance(query.get("after"), str) and case.operation.path in WITH_CURSORS:
        del query["after"]
    if isinstance(query.get("world"), str) and WORLD.fullmatch(query["world"]):
        del query["world"]
    # Two parameters that exclude each other.
    if query.get("offline") in (True, "true") and not query.keys().isdisjoint({"topic", "room", "node"}):
        del query["offline"]
    for values, name in [(query, "topic"), *((case.path_parameters or {}, name) for name in case.path_parameters or {})]:
        value = values.get(name)
        if isinstance(value, str) and len(value) <= ID_BYTES_MAX < bytes_of(value):
            values[name] = value[: ID_BYTES_MAX // 4]
    if isinstance(query.get("owner"), str) and len(query["owner"]) <= ID_BYTES_MAX < bytes_of(query["owner"]):
        query["owner"] = query["owner"][: ID_BYTES_MAX // 4]
    if isinstance(case.body, dict):
        shorten(case.body)
    path = case.path_parameters or {}
    room = path.get("id")
    ends = case.method.upper() == "DELETE" and case.operation.path == "/api/v1/rooms/{id}"
    fit = all(isinstance(value, str) and ID.fullmatch(urllib.parse.unquote(value)) for value in path.values())
    if fit and ROOM.fullmatch(room or "") and "/rooms/" in case.operation.path and not ends:
        if int(room[0], 16) % 2 == 0:
            path["id"] = ROOMS[int(room[1], 16) % len(ROOMS)]


def shorten(body):
    """Makes what is well-formed, and too long in bytes, short enough."""
    description = body.get("description")
    if isinstance(description, str) and len(description) <= DESCRIPTION_BYTES_MAX < bytes_of(description):
        body["description"] = description[: DESCRIPTION_BYTES_MAX // 4]
    configuration = body.get("configuration")
    if isinstance(configuration, dict) and bytes_of(json.dumps(configuration)) > CONFIGURATION_BYTES_MAX:
        body["configuration"] = {}
