# SPDX-License-Identifier: MIT
"""device/package.json, by which mip installs the Python part onto a firmware that has _microt; the type stubs."""

import ast
import json
from pathlib import Path

import numpy as np

from microt.auroc import auroc
from microt.boards import unixport
from microt.learning import exits

DEVICE = Path(__file__).resolve().parents[2] / "device"


def test_package_lists_every_module():
    package = json.loads((DEVICE / "package.json").read_text())
    modules = sorted(path.relative_to(DEVICE).as_posix() for path in (DEVICE / "microt").rglob("*.py"))
    assert package["urls"] == [[name, name] for name in modules]


def test_auroc():
    assert auroc(np.array([3.0, 2, 1, 0]), np.array([True, True, False, False])) == 1
    assert auroc(np.array([0.0, 1, 2, 3]), np.array([True, True, False, False])) == 0
    assert auroc(np.array([3.0, 1, 2, 0]), np.array([True, True, False, False])) == 0.75
    assert auroc(np.array([1.0, 1, 1, 0]), np.array([True, True, False, False])) == 0.75


def test_tracker_holds_the_ratio():
    assert exits.drifting_error() < 0.02


def signatures(path):
    """{function or method: its argument names and defaults} and {class: names}, public ones, from a file's source."""
    functions, names = {}, set()
    for node in ast.parse(path.read_text()).body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        for member in members:
            if isinstance(member, ast.FunctionDef) and (member.name == "__init__" or not member.name.startswith("_")):
                a = member.args
                defaults = [ast.unparse(d) for d in a.defaults + [d for d in a.kw_defaults if d]]
                functions[member.name] = ([x.arg for x in a.args + a.kwonlyargs], defaults)
            elif isinstance(member, ast.AnnAssign):
                names.add(member.target.id)
    return functions, names


def test_stub_tells_what_the_module_has():
    stub, fields = signatures(DEVICE / "microt" / "__init__.pyi")
    source = signatures(DEVICE / "microt" / "task.py")[0]
    task = signatures_of_class(DEVICE / "microt" / "task.py", "Task")
    assert task | {"Backbone"} == set(stub) | {"exit_ratio"}
    for name in task - {"exit_ratio"}:
        assert stub[name] == source[name], name
    done = unixport.run("import microt; print(microt.Result, microt.version, microt.Backbone)", timeout=60)
    assert done.returncode == 0 and {"version", "label", "familiarity"} <= fields


def signatures_of_class(path, name):
    """Public methods and properties of a class, and __init__."""
    (found,) = (n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef) and n.name == name)
    names = {n.name for n in found.body if isinstance(n, ast.FunctionDef)}
    return {n for n in names if n == "__init__" or not n.startswith("_")}
