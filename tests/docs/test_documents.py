"""Every verb, option, link, file, method and error that the documents name is there, and what is there is in a document."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Final

from google.protobuf.descriptor import MethodDescriptor

import run
from adapters.embedded.v1 import ledger_pb2
from adapters.evm.v1 import attester_pb2
from adapters.remote.v1 import adapter_pb2
from relay.app.court import ALLOW as COURT_ALLOW
from relay.app.court import CUSTODY_ALLOW, NOTICES_ALLOW, OPERATIONS_ALLOW
from relay.app.custodian import ALLOW as CUSTODIAN_ALLOW
from relay.app.custodian import RETENTION_ALLOW
from relay.app.relay import ALLOW as RELAY_ALLOW
from relay.core import errors
from relay.transport.status import CODES
from relay.wire.v1 import court_pb2, custodian_pb2, custody_pb2, notices_pb2, operations_pb2, relay_pb2
from tests.docs.command import Said, resolve, said, verbs
from tests.docs.texts import ROOT, anchors, documents, fences, links, places, spans, text

README: Final = ROOT / "README.md"
GRPC: Final = ROOT / "docs/grpc.md"
OPENAPI: Final = ROOT / "docs/api/openapi.json"
WIRE: Final = (custodian_pb2, relay_pb2, court_pb2, custody_pb2, notices_pb2, operations_pb2)
ADAPTERS: Final = (ledger_pb2, attester_pb2, adapter_pb2)
PERMITTED: Final = {
    **CUSTODIAN_ALLOW, **RETENTION_ALLOW, **RELAY_ALLOW, **COURT_ALLOW, **CUSTODY_ALLOW, **NOTICES_ALLOW, **OPERATIONS_ALLOW,
}  # fmt: skip
RUN_VERB: Final = re.compile(r"^    python3 run\.py ([a-z]+)", re.MULTILINE)
RUN_CALL: Final = re.compile(r"(?:python3 )?run\.py ([a-z]+)")
METHOD_ROW: Final = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
ERROR_ROW: Final = re.compile(r"^\| `(\w+)` \| `?([A-Z_]+|–)`? \| (.+?) \| (.+?) \|$", re.MULTILINE)


def test_every_call_in_the_documents_and_in_deploy_is_one_of_the_command() -> None:
    calls = said()
    assert len(calls) > 300
    assert [f"{call}: {wrong}" for call in calls for wrong in [resolve(call)[1]] if wrong] == []


def test_a_call_that_does_not_exist_is_found() -> None:
    """The test above can fail: a verb, a verb in a list, an option."""
    assert "no grant make" in resolve(Said("here", ("grant", "make", "--case", "x")))[1]
    assert "no batch check again" in resolve(Said("here", ("batch", "check,", "again")))[1]
    assert "no option --homes" in resolve(Said("here", ("deposit", "mine", "--homes", "h")))[1]
    assert resolve(Said("here", ("deposit", "mine", "--home", "h"))) == ([("deposit",)], "")


def test_every_verb_is_in_a_document() -> None:
    named = {verb for call in said() for verb in resolve(call)[0]}
    assert set(verbs()) - named == set()


def test_options_that_stand_alone_are_options_of_something() -> None:
    """`--wait SECONDS`: of the command, of a verb of run.py, or of a program of others that is named beside it."""
    own = {option for options in verbs().values() for option in options}
    own |= {option for path in (ROOT / "tests").rglob("*.py") for option in re.findall(r'"(--[a-z-]+)"', text(path))}
    own |= {option for path in (ROOT / "bench").glob("*.py") for option in re.findall(r'"(--[a-z-]+)"', text(path))}
    own |= {"--stay", "--dir", "--no-index", "--find-links"} | set(re.findall(r"--[a-z-]+", inspect.getdoc(run) or ""))
    alone = [
        (path, span.split()[0].split("=")[0]) for path in documents() for span in spans(path) if span.startswith("--")
    ]
    assert [(path.name, option) for path, option in alone if option not in own] == []


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    wrong = []
    for path in documents():
        for file, anchor in links(path):
            target = (path.parent / file).resolve() if file else path
            if not target.exists() or (anchor and anchor not in anchors(target)):
                wrong.append(f"{path.relative_to(ROOT)}: {file}#{anchor}")
    assert wrong == []


def test_every_file_that_is_named_is_there() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {place}"
        for path in documents()
        for place in places(path)
        if not _there(path, place)
    ]
    assert wrong == []


def _there(path: Path, place: str) -> bool:
    return any((base / place).exists() for base in (ROOT, path.parent, ROOT / "docs", ROOT / "tests"))


def test_every_document_is_reached_from_the_readme() -> None:
    reached, ahead = {README}, [README]
    while ahead:
        path = ahead.pop()
        named = [(path.parent / file).resolve() for file, _ in links(path) if file] + [
            ROOT / place for place in places(path)
        ]
        for place in named:
            found = [place, *place.glob("*.md")] if place.is_dir() else [place]
            fresh = [one for one in found if one.suffix == ".md" and one.exists() and one not in reached]
            reached.update(fresh)
            ahead += fresh
    missing = {str(path.relative_to(ROOT)) for path in documents() if path not in reached}
    assert missing <= {"CHANGELOG.md"}


def test_every_verb_of_run_is_in_the_readme_and_every_one_that_is_named_is_there() -> None:
    there = set(RUN_VERB.findall(inspect.getdoc(run) or "")) | set(RUN_VERB.findall(run.__doc__ or ""))
    assert set(run.LONG_RUNS) <= there
    assert there - set(RUN_CALL.findall(text(README))) == set()
    for path in documents():
        code = "\n".join([*spans(path), *fences(path)])
        assert set(RUN_CALL.findall(code)) <= there, path.name


def test_every_method_of_every_service_is_in_its_table_with_who_may_call_it() -> None:
    rows = {}
    for section in re.split(r"^## ", text(GRPC), flags=re.MULTILINE):
        service = section.split("\n", 1)[0].strip("` ")
        rows |= {f"{service}/{name}": (who, kind) for name, kind, who, _ in METHOD_ROW.findall(section)}
    assert set(rows) == {
        f"{service.full_name}/{method.name}"
        for module in (*WIRE, *ADAPTERS)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    for method, roles in PERMITTED.items():
        assert rows[method[1:]][0] == " ".join(sorted(role.value for role in roles)), method
    for module in (*WIRE, *ADAPTERS):
        for service in module.DESCRIPTOR.services_by_name.values():
            for one in service.methods:
                assert rows[f"{service.full_name}/{one.name}"][1] == _kind(one), one.full_name


def _kind(method: MethodDescriptor) -> str:
    ways = {(False, False): "one", (True, False): "up", (False, True): "down", (True, True): "both"}
    return ways[method.client_streaming, method.server_streaming]


def test_every_error_is_in_a_document_with_its_status() -> None:
    classes = {
        name: one for name, one in vars(errors).items()
        if inspect.isclass(one) and issubclass(one, errors.RelayError) and one is not errors.RelayError
    }  # fmt: skip
    rows = {name: status for name, status, _, _ in ERROR_ROW.findall(text(GRPC))}
    assert rows == {
        name: next(code.name for kind, code in CODES.items() if issubclass(one, kind)) for name, one in classes.items()
    }


def test_every_curl_is_an_operation_of_the_openapi_document() -> None:
    paths = json.loads(OPENAPI.read_text())["paths"]
    there = {(method.upper(), re.sub(r"\{\w+\}", "*", path)) for path, methods in paths.items() for method in methods}
    calls = [(path, call) for path in documents() for body in fences(path, "sh") for call in _curls(body)]
    assert len(calls) > 15
    for path, (method, place) in calls:
        known = [one for one in there if one[0] == method and re.fullmatch(one[1].replace("*", "[^/]+"), place)]
        assert known, f"{path.name}: {method} {place}"


def _curls(body: str) -> list[tuple[str, str]]:
    found = []
    for line in body.replace("\\\n", " ").splitlines():
        for place in re.findall(r"\$api(/[^\s\"'?)]*)", line):
            sends = re.search(r" (?:-d|--data-binary|-X POST) ", line)
            found.append(("POST" if sends else "GET", f"/api/v1{place}"))
    return found
