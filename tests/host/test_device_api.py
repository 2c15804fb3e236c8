# SPDX-License-Identifier: MIT
"""The stubs against the real modules of the firmware (unix build), and docs/api.md against the stubs."""

import ast
import json
import runpy
from pathlib import Path

import pytest

from microt.boards import unixport

ROOT = Path(__file__).parents[2]
STUB = ROOT / "device" / "cmodules" / "microt" / "_microt.pyi"
PACKAGE = ROOT / "device" / "microt"
BACKBONE = ROOT / "models" / "objects.mtb"
MOST = 12  # arguments that are tried

# Prints what the modules have: names, and for each callable with how many positional arguments it can be called. A call
# that fails for their number says so in MicroPython's words; any other error means that the number was right.
PROBE = """
import json, sys
import _microt, microt

NUMBER = ("function missing", "function takes", "function expected", "extra positional", "argument required")

def numbers(call):
    found = []
    for n in range(MOST):
        try:
            call(*[1] * n)
        except TypeError as error:
            if any(words in str(error) for words in NUMBER):
                continue
        except Exception:
            pass
        found.append(n)
    return found

def takes(call, n, name):
    try:
        call(*[1] * n, **{name: 1})
    except TypeError as error:
        return "extra keyword" not in str(error) and "unexpected keyword" not in str(error)
    except Exception:
        pass
    return True

with open(sys.argv[2]) as file:
    names = json.load(file)
objects = {"Backbone": microt.Backbone(sys.argv[1]), "Picture": _microt.Picture(8, 8, 4)}
out = {"_microt": dir(_microt), "microt": dir(microt)}
for name in dir(_microt):
    item = getattr(_microt, name)
    if not name.startswith("_") and callable(item):
        out[name] = numbers(item)
    if isinstance(item, type) and not name.startswith("_"):
        members = [m for m in dir(item) if not m.startswith("_")]
        out["members of " + name] = members
        for member in members:
            out[name + "." + member] = numbers(getattr(objects[name], member))
for name, attributes in names["attributes"].items():
    out["missing in " + name] = [a for a in attributes if not hasattr(objects[name], a)]
for path, keywords in names["keywords"].items():
    owner, _, member = path.rpartition(".")
    call = getattr(objects[owner], member) if owner else getattr(_microt, member)
    out["refused by " + path] = [k for n, k in keywords if not takes(call, n, k)]
print(json.dumps(out))
""".replace("MOST", str(MOST))


def arguments(function):
    """(fewest, most positional arguments, [(position, keyword)]) of a stub's function; without self."""
    a = function.args
    positional = [x.arg for x in a.posonlyargs + a.args]
    skip = positional[:1] == ["self"]
    most = len(positional) - skip
    fewest = most - len(a.defaults)
    named = [x.arg for x in a.args if x.arg != "self"]
    places = [(most - len(named) + i, name) for i, name in enumerate(named)]
    return fewest, most, places + [(most if not a.defaults else fewest, x.arg) for x in a.kwonlyargs]


@pytest.fixture(scope="module")
def stub():
    """{name: function or class} of _microt.pyi."""
    body = ast.parse(STUB.read_text()).body
    return {node.name: node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def callables(stub):
    """{dotted name: its function} of all that can be called; a class by its __init__."""
    found = {}
    for name, node in stub.items():
        if isinstance(node, ast.FunctionDef):
            found[name] = node
            continue
        for member in node.body:
            if isinstance(member, ast.FunctionDef):
                found[name if member.name == "__init__" else f"{name}.{member.name}"] = member
    return found


def attributes(node):
    return [member.target.id for member in node.body if isinstance(member, ast.AnnAssign)]


@pytest.fixture(scope="module")
def firmware(stub, tmp_path_factory):
    if not BACKBONE.is_file():
        pytest.skip("models/objects.mtb is not there")
    folder = tmp_path_factory.mktemp("probe")
    script, names = folder / "probe.py", folder / "names.json"
    script.write_text(PROBE)
    classes = {name: node for name, node in stub.items() if isinstance(node, ast.ClassDef)}
    asked = {
        "attributes": {name: attributes(node) for name, node in classes.items()},
        "keywords": {name: arguments(function)[2] for name, function in callables(stub).items()},
    }
    names.write_text(json.dumps(asked))
    done = unixport.run(script, args=[str(BACKBONE), str(names)], heap_bytes=4 << 20, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def public(names):
    return {name for name in names if not name.startswith("_")}


def test_names_of_the_c_module(stub, firmware):
    assert public(firmware["_microt"]) == set(stub) | {"version"}
    for name, node in stub.items():
        if isinstance(node, ast.ClassDef):
            methods = {m.name for m in node.body if isinstance(m, ast.FunctionDef)}
            assert set(firmware[f"members of {name}"]) == public(methods), name
            assert firmware[f"missing in {name}"] == []


def test_arguments_of_the_c_module(stub, firmware):
    for name, function in callables(stub).items():
        fewest, most, _ = arguments(function)
        assert firmware[name] == list(range(fewest, most + 1)), name
        assert firmware[f"refused by {name}"] == [], name


def test_names_of_the_package(firmware):
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text()).body
    names = {n.name for n in tree if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    names |= {n.target.id for n in tree if isinstance(n, ast.AnnAssign)}
    here = {path.stem for path in PACKAGE.iterdir()} | {"read"}
    assert names <= set(firmware["microt"]) and public(firmware["microt"]) - names <= here


def test_every_module_and_class_has_a_docstring():
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"


def test_api_page_is_current():
    module = runpy.run_path(str(ROOT / "tools" / "api_page.py"))
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == module["page"](), "run python tools/api_page.py"


def test_api_page_tells_the_main_things():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for words in (
        "class `Task(",
        "`learn(x: Any, label: str) -> bool`",
        "`resume() -> memoryview`",
        "## microt.sources.stream",
    ):
        assert words in text
