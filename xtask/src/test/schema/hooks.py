"""What no schema can say, told to the fuzzer that reads the node's own description of its API."""

import json
import os
import re
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
# Ids are counted in bytes; patterns count characters.
ID_BYTES_MAX = 128


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
        if isinstance(value, str) and len(value) <= ID_BYTES_MAX < len(value.encode("utf-8", "surrogatepass")):
            values[name] = value[: ID_BYTES_MAX // 4]
