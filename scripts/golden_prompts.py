"""Write, check and measure the golden prompts with Google's reference templates.

    golden_prompts.py --templates DIR               write tests/golden/prompts from tests/golden/conversations.json
    golden_prompts.py --templates DIR --check       compare instead of writing
    golden_prompts.py --templates DIR --coverage    say which branches of the templates the conversations reach
    golden_prompts.py --templates DIR --fuzz 10000  compare the renderer with the templates on random conversations

DIR holds gemma4_chat_template_small.jinja2 and gemma4_chat_template_large.jinja2, which this repository does not hold.
"""

import argparse
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a checkout, installed or not

from g4run.chat.render import PromptFormat
from scripts.reference_templates.coverage import measure_coverage
from scripts.reference_templates.fuzzing import fuzz
from scripts.reference_templates.reference import (
    GOLDEN,
    VARIANTS,
    Reference,
    Wire,
    read_cases,
    read_template,
)


def main() -> int:
    """Do what the arguments say; 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=Path, required=True, metavar="DIR")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--fuzz", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.coverage:
        return measure_coverage(options.templates)
    references = {format: Reference(read_template(options.templates, format)) for format in PromptFormat}
    if options.fuzz:
        return fuzz(references, options.fuzz, random.Random(options.seed))
    return write_goldens(references, only_checks=options.check)


def write_goldens(references: dict[PromptFormat, Reference], *, only_checks: bool) -> int:
    """Write one file per conversation, or say which ones differ."""
    directory = GOLDEN / "prompts"
    directory.mkdir(exist_ok=True)
    different = []
    expected = {f"{case['name']}.json": make_golden(case, references) for case in read_cases()}
    for name, golden in expected.items():
        path = directory / name
        if only_checks and (not path.exists() or path.read_text(encoding="utf-8") != golden):
            different.append(name)
        elif not only_checks:
            path.write_text(golden, encoding="utf-8", newline="\n")
    surplus = [path.name for path in directory.glob("*.json") if path.name not in expected]
    print(f"{len(expected)} conversations, {len(VARIANTS)} variants each", *different, *surplus, sep="\n")
    return 1 if different or surplus else 0


def make_golden(case: Wire, references: dict[PromptFormat, Reference]) -> str:
    """The golden file's text: the conversation and every variant's prompt for each size."""
    prompts = [
        {**settings, **{format.value: reference.render(case, settings) for format, reference in references.items()}}
        for settings in VARIANTS
    ]
    conversation = {key: case[key] for key in ("messages", "tools") if key in case}
    golden = {"name": case["name"], "conversation": conversation, "prompts": prompts}
    return json.dumps(golden, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
