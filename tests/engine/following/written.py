"""What a grammar permits, found out by writing all of it: slow, and nothing like the follower."""

from g4run.engine.gbnf import Alternatives, Gbnf, Term

Texts = frozenset[str]


class Written:
    """The texts of a grammar whose classes are small."""

    def __init__(self, grammar: Gbnf) -> None:
        self._grammar = grammar
        self._known: dict[tuple[Alternatives, int], Texts] = {}

    def texts(self, longest: int) -> Texts:
        """Every text of at most so many characters that the grammar permits."""
        return self._of_alternatives(self._grammar.rules["root"], longest)

    def _of_alternatives(self, alternatives: Alternatives, longest: int) -> Texts:
        key = (alternatives, longest)
        if key not in self._known:
            found = (self._of_sequence(sequence, longest) for sequence in alternatives.sequences)
            self._known[key] = frozenset[str]().union(*found)
        return self._known[key]

    def _of_sequence(self, terms: tuple[Term, ...], longest: int) -> Texts:
        if not terms:
            return frozenset([""])
        firsts = self._of_term(terms[0], longest)
        rests = {left: self._of_sequence(terms[1:], left) for left in {longest - len(first) for first in firsts}}
        return frozenset(first + rest for first in firsts for rest in rests[longest - len(first)])

    def _of_term(self, term: Term, longest: int) -> Texts:
        found: Texts = frozenset([""])
        texts: set[str] = set()
        for count in range(1 + (term.least + longest if term.most is None else min(term.most, term.least + longest))):
            if count >= term.least:
                texts |= found
            found = frozenset(text + more for text in found for more in self._once(term, longest - len(text)))
        return frozenset(texts)

    def _once(self, term: Term, longest: int) -> Texts:
        if term.rule or term.group is not None:
            return self._of_alternatives(term.group or self._grammar.rules[term.rule], longest)
        if term.characters is not None:
            assert not term.characters.excludes
            codes = {code for low, high in term.characters.ranges for code in range(low, high + 1)}
            return frozenset(map(chr, codes) if longest > 0 else ())
        text = "".join(map(chr, term.literal))
        return frozenset([text] if len(text) <= longest else [])
