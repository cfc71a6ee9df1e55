"""Which branches of the templates the conversations reach.

Every branch of every condition and loop gets a call that notes that it was taken. No conversation can reach empty loops
behind a condition that keeps them from being empty, two conditions on what the lines before them have settled, and what
our parser refuses (arguments that are no object, unknown parts).
"""

import itertools
from pathlib import Path

from jinja2 import nodes

from g4run.chat.render import PromptFormat
from scripts.reference_templates.reference import VARIANTS, Reference, make_environment, read_cases, read_template


def measure_coverage(directory: Path) -> int:
    """Print how many branches of each template the conversations reach, and those that they do not."""
    lines = {format: read_template(directory, format).splitlines() for format in PromptFormat}
    missed_any = False
    for format in PromptFormat:
        branches: list[tuple[int, str]] = []
        tree = make_environment().parse(read_template(directory, format))
        instrument(tree, branches)
        taken: set[int] = set()
        reference = Reference(tree, note_branch=lambda number, value="", taken=taken: (taken.add(number), value)[1])
        for case, settings in itertools.product(read_cases(), VARIANTS):
            reference.render(case, settings)
        missed = [branch for number, branch in enumerate(branches) if number not in taken]
        print(f"{format}: {len(taken)} of {len(branches)} branches")
        for line, kind in sorted(missed):
            print(f"  line {line}, {kind}: {lines[format][line - 1].strip()[:100]}")
        missed_any = missed_any or bool(missed)
    return 1 if missed_any else 0


def instrument(tree: nodes.Node, branches: list[tuple[int, str]]) -> None:
    """Put a note at the head of every branch: bodies, else parts (also those not written), and, or, if-expressions."""

    def note(line: int, kind: str, *value: nodes.Expr) -> nodes.Call:
        branches.append((line, kind))
        call = nodes.Call(nodes.Name("note_branch", "load"), [nodes.Const(len(branches) - 1), *value], [], None, None)
        return call.set_environment(tree.environment).set_lineno(line)  # type: ignore[attr-defined, no-any-return]

    def statement(line: int, kind: str) -> nodes.Node:
        return nodes.ExprStmt(note(line, kind), lineno=line)

    for branch in list(tree.find_all((nodes.If, nodes.For))):
        if isinstance(branch, nodes.If):
            branch.body.insert(0, statement(branch.lineno, "if"))
            if not isinstance_elif(tree, branch) and not branch.elif_:
                branch.else_.insert(0, statement(branch.lineno, "else"))
            elif branch.elif_:
                branch.else_.insert(0, statement(branch.elif_[-1].lineno, "else"))
        else:
            branch.body.insert(0, statement(branch.lineno, "loop"))
            branch.else_.insert(0, statement(branch.lineno, "empty loop"))
    for choice in list(tree.find_all((nodes.CondExpr, nodes.And, nodes.Or))):
        if isinstance(choice, nodes.CondExpr):
            choice.expr1 = note(choice.lineno, "then", choice.expr1)
            choice.expr2 = note(choice.lineno, "otherwise", choice.expr2 or nodes.Const(""))
        else:
            choice.right = note(choice.lineno, "second operand", choice.right)


def isinstance_elif(tree: nodes.Node, branch: nodes.If) -> bool:
    """Whether a condition is the elif of another, whose else part it shares."""
    return any(branch is other for parent in tree.find_all(nodes.If) for other in parent.elif_)
