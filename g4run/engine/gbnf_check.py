"""Whether llama.cpp can follow a grammar: every rule defined, no left recursion, and a bounded number of beginnings."""

from dataclasses import dataclass

from g4run.engine.gbnf import MAX_REPETITIONS, Alternatives, Gbnf, Reader, Term

_MAX_BEGINNINGS = 100_000  # places where a rule can begin; llama.cpp keeps a stack for each
_MAX_DEPTH = 100  # rules and groups that begin with one another; llama.cpp recurses, and so does this


@dataclass(frozen=True, slots=True)
class _Beginning:
    """Of a rule or a part of one: at how many places it can begin, how deep they lie, whether it may be empty."""

    places: int
    depth: int
    may_be_empty: bool


def read_grammar(text: str) -> Gbnf:
    """Read GBNF whose first rule is `root`. Raises ValueError with a reason, and where it can, line and column."""
    if "\0" in text:
        raise ValueError("grammar: a NUL character cannot be part of it")
    text.encode()  # raises UnicodeEncodeError, which is a ValueError, for half a surrogate pair
    grammar = Reader(text).read()
    if "root" not in grammar.rules:
        raise ValueError("grammar: there is no rule named root")
    for alternatives in grammar.rules.values():
        _check_references(alternatives, grammar)
    walk = _Walk(grammar)
    for name in grammar.rules:
        walk.beginning_of(name)
    return grammar


def _check_references(alternatives: Alternatives, grammar: Gbnf) -> None:
    for sequence in alternatives.sequences:
        for term in sequence:
            if term.rule and term.rule not in grammar.rules:
                raise ValueError(f"grammar: there is no rule named {term.rule}")
            if term.group is not None:
                _check_references(term.group, grammar)


class _Walk:
    """From each rule along what can come first in it. llama.cpp's own search (llama-grammar.cpp:953) takes a rule for
    never empty whose emptiness comes from another one, and walks one way as often as it finds it.
    """

    def __init__(self, grammar: Gbnf) -> None:
        self._rules = grammar.rules
        self._known: dict[str, _Beginning] = {}
        self._path: list[str] = []
        self._depth = 0

    def beginning_of(self, name: str) -> _Beginning:
        """Raises ValueError for a rule that begins with itself."""
        if name in self._path:
            raise ValueError(f"grammar: left recursion, {' -> '.join([*self._path[self._path.index(name) :], name])}")
        if name not in self._known:
            self._path.append(name)
            self._known[name] = self._of_alternatives(self._rules[name])
            self._path.pop()
        return self._known[name]

    def _of_alternatives(self, alternatives: Alternatives) -> _Beginning:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"grammar: more than {_MAX_DEPTH} rules and groups begin with one another")
        parts = [self._of_sequence(sequence) for sequence in alternatives.sequences]
        self._depth -= 1
        places = 1 + sum(part.places for part in parts)
        depth = 1 + max(part.depth for part in parts)
        if places > _MAX_BEGINNINGS or depth > _MAX_DEPTH + MAX_REPETITIONS:
            raise ValueError(f"grammar: a rule can begin at more than {_MAX_BEGINNINGS} places, or too deep ones")
        return _Beginning(places, depth, any(part.may_be_empty for part in parts))

    def _of_sequence(self, sequence: tuple[Term, ...]) -> _Beginning:
        places = depth = 0
        for term in sequence:
            part = self._of_term(term)
            places += part.places
            depth = max(depth, part.depth)
            if not part.may_be_empty:
                return _Beginning(places, depth, may_be_empty=False)
        return _Beginning(places, depth, may_be_empty=True)

    def _of_term(self, term: Term) -> _Beginning:
        once = _Beginning(1, 0, may_be_empty=not term.elements)
        if term.group is not None:
            once = self._of_alternatives(term.group)
        elif term.rule:
            once = self.beginning_of(term.rule)
        if not once.may_be_empty:
            return _Beginning(once.places, once.depth + 1, may_be_empty=term.least == 0)
        copies = term.least + 1 if term.most is None or term.most > MAX_REPETITIONS else term.most
        return _Beginning(once.places * max(1, copies), once.depth + copies, may_be_empty=True)
