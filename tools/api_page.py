# SPDX-License-Identifier: MIT
"""Writes docs/api.md: the device's Python API, from its stubs and docstrings.

    python tools/api_page.py [-o docs/api.md]

Signatures come from the stubs where there is one (`microt`, `_microt`), else from the source. What has no docstring,
or a name that begins with an underscore, is not part of the API.
"""

import argparse
import ast
import inspect
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEVICE = ROOT / "device"
PACKAGE = DEVICE / "microt"

HEAD = """# The device's Python API

What MicroPython code on a board can use; `python tools/api_page.py` writes this page from the stubs and docstrings.
`microt` is what applications need, `microt.sources` where samples come from, `_microt` the C module that both stand on.
"""


def modules():
    """(name, file with the signatures, files with the docstrings) of each module, in the page's order."""
    yield "microt", PACKAGE / "__init__.pyi", [PACKAGE / "__init__.py", PACKAGE / "task.py"]
    for path in sorted((PACKAGE / "sources").glob("[a-z]*.py")):
        yield f"microt.sources.{path.stem}", path, [path]
    for name in ("buttons", "meter", "settings"):
        yield f"microt.{name}", PACKAGE / f"{name}.py", [PACKAGE / f"{name}.py"]
    stub = DEVICE / "cmodules" / "microt" / "_microt.pyi"
    yield "_microt", stub, [stub]


def page():
    """The page's text, with one empty line at most between two that are not."""
    parts = [HEAD]
    for name, signatures, sources in modules():
        parts.append(f"\n## {name}\n\n{text(ast.parse(sources[0].read_text(encoding='utf-8')))}")
        docs = {}
        for source in sources:
            collect(ast.parse(source.read_text(encoding="utf-8")).body, "", docs)
        parts.extend(entries(ast.parse(signatures.read_text(encoding="utf-8")).body, "", docs, 3))
    joined = re.sub(r"\n{3,}", "\n\n", "\n".join(parts))
    return joined.rstrip() + "\n"


def public(node):
    return not getattr(node, "name", "").startswith("_")


def text(node):
    """A docstring as Markdown: paragraphs stay, indented examples are code."""
    found = ast.get_docstring(node) or ""
    return found.replace("<", "&lt;") + ("\n" if found else "")


def collect(body, prefix, docs):
    """Puts each docstring of a body into docs, by dotted name."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and public(node):
            docs.setdefault(prefix + node.name, text(node))
            if isinstance(node, ast.ClassDef):
                collect(node.body, f"{prefix}{node.name}.", docs)


def entries(body, prefix, docs, level):
    """Lines of the page for the members of a body."""
    hashes = "#" * level
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef) and public(node):
            name = prefix + node.name
            yield f"\n{hashes} class {heading(node.name, constructor(node))}\n\n{docs.get(name, '')}"
            yield from entries(node.body, f"{name}.", docs, level + 1)
        elif isinstance(node, ast.FunctionDef) and public(node):
            doc = docs.get(prefix + node.name, "")
            is_property = any(ast.unparse(d) == "property" for d in node.decorator_list)
            if doc and not node.decorator_list:
                yield f"\n{hashes} {heading(node.name, node)}\n\n{doc}"
            elif doc and is_property:
                kind = f": {ast.unparse(node.returns)}" if node.returns else ""
                yield f"\n{hashes} `{node.name}{kind}`\n\n{doc}"
        elif isinstance(node, ast.AnnAssign):
            said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            doc = inspect.cleandoc(said) if said else docs.get(prefix + node.target.id, "").strip()
            yield f"\n- `{node.target.id}: {ast.unparse(node.annotation)}`" + (f": {doc}" if doc else "")


def constructor(node):
    """__init__ of a class, None where there is none."""
    return next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)


def heading(name, function):
    """`name(arguments) -> result`, as code."""
    if function is None:
        return f"`{name}`"
    arguments = function.args
    if arguments.args and arguments.args[0].arg == "self":
        arguments.args = arguments.args[1:]
    if arguments.posonlyargs and arguments.posonlyargs[0].arg == "self":
        arguments.posonlyargs = arguments.posonlyargs[1:]
    result = f" -> {ast.unparse(function.returns)}" if function.returns and function.name != "__init__" else ""
    return f"`{name}({ast.unparse(arguments)}){result}`"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "api.md")
    parser.parse_args().output.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
