#!/usr/bin/env python3
"""Checks the sizes that CONTRIBUTING.md names: files, lines, functions, parameters, nesting.

Functions are found by their braces: comments, strings and preprocessor lines are blanked out first,
then a brace whose head ends in a parameter list, outside of any other function, opens one.
"""
import re

from source_files import ROOT, own_files, report

MAX_LINE = 100
MAX_SOURCE, MAX_HEADER, MAX_TOP_CMAKE = 400, 150, 100
MAX_FUNCTION, MAX_DEVICE_FUNCTION = 60, 120
MAX_PARAMETERS = 6
MAX_NESTING = 3
CODE = (".cpp", ".h", ".cu", ".cuh")
TEXT = CODE + (".cmake", ".sh", ".py")

BLANKED = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"  # not the digit separator of 1'000
    r"|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.DOTALL | re.MULTILINE)
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b[^()=]*$")
CONTROL = re.compile(r"(^|[\s:)])(if|for|while|switch|do|else|try|catch)\b")
SPECIFIERS = r"(?:\s*(?:const|noexcept|override|final|mutable|&{1,2}|->[^;={]*|requires[^;{]*))*\s*"
FUNCTION = re.compile(r"\)" + SPECIFIERS + r"(?:$|:[^:].*$)", re.DOTALL)


def blank(text):
    """The text with everything that is no code replaced by spaces, line for line."""
    return BLANKED.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def kind_of(head, inside_function):
    if inside_function:
        return "control" if CONTROL.search(head) else "block"
    if SCOPE.search(re.sub(r"<[^<>]*>|\([^()]*\)", "", head)) and not FUNCTION.search(head):
        return "scope"
    if FUNCTION.search(head) and not CONTROL.match(head.strip()):
        return "function"
    return "block"


def functions_of(code):
    """Yields (first line, last line, head, deepest nesting of control blocks) of each function."""
    stack, head_start, depth, deepest, kind = [], 0, 0, 0, ""
    for match in re.finditer(r"[{};]", code):
        head = code[head_start:match.start()]
        if match[0] == ";" and head.count("(") > head.count(")"):
            continue  # for (a; b; c)
        if match[0] == "{":
            # Formatted code has a space in front of a block, none in front of a value: member_{x}.
            is_value = not head[-1:].isspace()
            inside = any(kind == "function" for kind, *_ in stack)
            kind = "value" if is_value else kind_of(head.strip(), inside)
            stack.append((kind, head_start + len(head) - len(head.lstrip()), head.strip()))
            depth += kind == "control"
            deepest = max(deepest, depth)
        elif match[0] == "}" and stack:
            kind, start, head = stack.pop()
            depth -= kind == "control"
            if kind == "function":
                first, last = (code.count("\n", 0, at) + 1 for at in (start, match.start()))
                yield first, last, head, deepest
                depth = deepest = 0
        if match[0] == ";" or kind != "value":
            head_start = match.end()


def parameters_of(head):
    """The number of parameters in the first pair of parentheses, template arguments not counted."""
    opening = head.find("(", head.find("operator()") + 10 if "operator()" in head else 0)
    level, count, any_text = 0, 1, False
    for char in head[opening + 1:]:
        if char == ")" and level == 0:
            break
        level += (char in "(<[{") - (char in ")>]}")
        count += char == "," and level == 0
        any_text = any_text or not char.isspace()
    return count if any_text else 0


def check_functions(path, text):
    for first, last, head, nesting in functions_of(blank(text)):
        where = f"{path}:{first}"
        limit = MAX_DEVICE_FUNCTION if "__global__" in head else MAX_FUNCTION
        if last - first + 1 > limit:
            yield f"{where}: function of {last - first + 1} lines, the limit is {limit}"
        if parameters_of(head) > MAX_PARAMETERS and "__global__" not in head:
            yield f"{where}: {parameters_of(head)} parameters, the limit is {MAX_PARAMETERS}"
        if nesting > MAX_NESTING:
            yield f"{where}: {nesting} levels of nesting, the limit is {MAX_NESTING}"


def check_file(path):
    text = (ROOT / path).read_text(errors="replace")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            yield f"{path}:{number}: {len(line)} columns, the limit is {MAX_LINE}"
    # An -inl.h is a source that Highway compiles once per instruction set.
    is_header = path.suffix == ".h" and not path.stem.endswith("-inl")
    limit = MAX_HEADER if is_header else MAX_SOURCE
    if str(path) == "CMakeLists.txt":
        limit = MAX_TOP_CMAKE
    if len(lines) > limit:
        yield f"{path}:{len(lines)}: {len(lines)} lines, the limit is {limit}"
    if path.suffix in CODE:
        yield from check_functions(path, text)


def main():
    paths = [p for p in own_files() if p.suffix in TEXT or p.name == "CMakeLists.txt"]
    report("sizes", [message for path in paths for message in check_file(path)])


main()
