"""`g4run run` as a process in pipes, with the built-in model."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import COMMAND, DEADLINE_SECONDS, ROOT, Ended, run_g4run, run_model, without_choice

HELLO = ("run", "demo", "Hello!", "--temperature", "0", "--max-tokens", "80")
ANSWER = "Hello! I am the demo model of g4run. How can I help?\n"
THOUGHT = "Thinking...\nThe user greets me, so I greet back.\n...done thinking.\n\n"
NO_PROMPT = 'g4run run demo "your prompt", or g4run chat demo'

# Nothing that a model says is likely at this temperature: it goes on until its context is full.
ENDLESS = ("Tell me about g4run.", "--temperature", "1000000", "--top-k", "0", "--top-p", "1", "--seed", "1")


def test_stdout_has_only_the_answer() -> None:
    assert run_model(*HELLO) == Ended(0, ANSWER, "")


def test_thinking_goes_to_stderr() -> None:
    assert run_model(*HELLO, "--think") == Ended(0, ANSWER, THOUGHT)
    assert run_model(*HELLO, "--think", "--hide-thinking") == Ended(0, ANSWER, "")


def test_the_prompt_may_be_piped_in() -> None:
    assert run_model("run", "demo", "--temperature", "0", stdin=b"Hello!\n") == Ended(0, ANSWER, "")


def test_a_path_is_a_model() -> None:
    assert run_model("run", str(ROOT / "g4run" / "data" / "demo.gguf"), *HELLO[2:]) == Ended(0, ANSWER, "")


def test_verbose_adds_eight_lines_to_stderr() -> None:
    ended = run_model(*HELLO, "--verbose")
    assert (ended.code, ended.stdout) == (0, ANSWER)
    assert [line.partition(":")[0] for line in ended.stderr.splitlines()] == [
        "total duration",
        "load duration",
        "prompt eval count",
        "prompt eval duration",
        "prompt eval rate",
        "eval count",
        "eval duration",
        "eval rate",
    ]


def test_json_is_one_object() -> None:
    ended = run_g4run(*HELLO, "--think", "--json", "--seed", "7")
    assert (ended.code, ended.stderr, ended.stdout.count("\n")) == (0, "", 1)
    answer = json.loads(ended.stdout)
    timings, usage = answer.pop("timings"), answer.pop("usage")
    caches = [answer["settings"].pop(name) for name in ("checkpoint_bytes", "ram_cache_bytes")]  # of what is free now
    assert 0 <= caches[0] <= 512 << 20 and caches[0] <= caches[1] <= 1 << 30
    assert answer == {
        "model": "demo",
        "content": ANSWER.rstrip("\n"),
        "thinking": "The user greets me, so I greet back.",
        "tool_calls": [],
        "finish_reason": "stop",
        "seed": 7,
        "placement": "cpu",
        "settings": {
            "gpu_layers": 0,
            "cpu_expert_layers": 0,
            "kv_type": "f16",
            "context": 4096,
            "batch": 512,
            "micro_batch": 512,
            "sequences": 1,
            "threads": 1,
            "lazy_table": False,
            "repack": False,
            "token_table_bytes": 384_000,
        },
    }
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert list(timings) == [
        "load_seconds",
        "prompt_seconds",
        "generation_seconds",
        "total_seconds",
        "prompt_tokens_per_second",
        "generation_tokens_per_second",
        "draft_gain",
    ]
    assert all(value > 0 for value in timings.values())


def test_no_escape_reaches_a_pipe() -> None:
    for arguments in (
        (*HELLO, "--think", "--verbose"),
        ("--help",),
        ("run", "nowhere.gguf", "Hi"),
        ("run", "--nonsense"),
    ):
        ended = run_g4run(
            *arguments, environment={"TERM": "xterm-256color", "FORCE_COLOR": "1", "COLORTERM": "truecolor"}
        )
        assert "\x1b" not in ended.stdout + ended.stderr
        assert "\r" not in ended.stdout + ended.stderr


def test_an_answer_in_json_and_by_a_schema(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}')
    assert isinstance(json.loads(run_model(*HELLO, "--format", "json").stdout), dict)
    answer = json.loads(run_model(*HELLO, "--think", "--hide-thinking", "--format", str(schema)).stdout)
    assert isinstance(answer["age"], int)


def test_an_answer_with_and_without_a_grammar(tmp_path: Path) -> None:
    grammar = tmp_path / "yes.gbnf"
    grammar.write_text('root ::= "yes" | "no"')
    assert run_model(*HELLO, "--grammar", str(grammar)).stdout in ("yes\n", "no\n")
    grammar.write_text("root ::= (")
    ended = run_g4run(*HELLO, "--grammar", str(grammar))
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"Error: {grammar}, line 1, column 11: expected a closing parenthesis\n")


def test_an_answer_by_a_lark_file_or_an_expression(tmp_path: Path) -> None:
    grammar = tmp_path / "yes.lark"
    grammar.write_text('start: ANSWER "!"\nANSWER: "yes" | "no"')
    assert run_model(*HELLO, "--grammar", str(grammar)).stdout in ("yes!\n", "no!\n")
    assert run_model(*HELLO, "--regex", "[0-9]{3}").stdout.strip().isdecimal()
    ended = run_g4run(*HELLO, "--regex", "[0-9")
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: --regex: unclosed character class\n")


def test_the_same_seed_draws_the_same_answer() -> None:
    draws = [run_model("run", "demo", *ENDLESS, "--max-tokens", "12", "--hide-thinking") for _ in range(2)]
    assert draws[0] == draws[1]
    assert draws[0].stderr == "Note: the answer was cut off at 12 tokens (--max-tokens)\n"


def test_a_stop_text_ends_the_answer_before_it() -> None:
    assert run_model(*HELLO, "--stop", " demo", "--stop", "nothing") == Ended(0, "Hello! I am the\n", "")


def test_messages_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "messages.json"
    file.write_text(json.dumps({"messages": [{"role": "user", "content": "Hello!"}]}), "utf-8")
    assert run_model("run", "demo", "--messages", str(file), "--temperature", "0") == Ended(0, ANSWER, "")
    assert run_model("run", "demo", "--messages", "-", "--temperature", "0", stdin=file.read_bytes()) == Ended(
        0, ANSWER, ""
    )


MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "cat.png"}}],
    },
]


@pytest.mark.parametrize(
    ("options", "prompt"),
    [
        ([], "<bos><|turn>user\nHi<turn|>\n<|turn>model\n"),
        (["--as", "e2b"], "<bos><|turn>user\nHi<turn|>\n<|turn>model\n"),
        (["--as", "e4b"], "<bos><|turn>user\nHi<turn|>\n<|turn>model\n"),
        (["--as", "12b"], "<bos><|turn>user\nHi<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"),
        (["--as", "26b"], "<bos><|turn>user\nHi<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"),
        (["--as", "31b"], "<bos><|turn>user\nHi<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"),
        (
            ["--as", "31b", "--think", "--system", "S"],
            "<bos><|turn>system\n<|think|>\nS<turn|>\n<|turn>user\nHi<turn|>\n<|turn>model\n",
        ),
    ],
)
def test_the_exact_prompt_is_shown(options: list[str], prompt: str) -> None:
    assert run_g4run("run", "demo", "Hi", "--show-prompt", *options) == Ended(0, prompt, "")


def test_the_shown_prompt_names_its_media_slots() -> None:
    shown = run_g4run("run", "demo", "--messages", "-", "--show-prompt", stdin=json.dumps(MESSAGES).encode())
    prompt = "<bos><|turn>system\nBe brief.<turn|>\n<|turn>user\nWhat is this?<|image|><turn|>\n<|turn>model\n"
    assert shown == Ended(0, prompt, "slot 1: image, cat.png\n")


def test_media_are_not_answered_yet() -> None:
    ended = run_g4run("run", "demo", "--messages", "-", stdin=json.dumps(MESSAGES).encode())
    assert (ended.code, ended.stdout) == (2, "")


USAGE = "Hint: g4run run --help\n"


@pytest.mark.parametrize(
    ("arguments", "code", "stderr"),
    [
        (["nonsense"], 2, "Error: no such command 'nonsense'\nHint: g4run --help\n"),
        (["run"], 2, f"Error: missing argument 'MODEL'\n{USAGE}"),
        (
            ["run", "demo", "--sed", "1"],
            2,
            f"Error: no such option: --sed (Possible options: --as, --seed, --system)\n{USAGE}",
        ),
        (
            ["run", "demo", "x", "--top-p", "x"],
            2,
            f"Error: invalid value for '--top-p': 'x' is not a valid float\n{USAGE}",
        ),
        (
            ["run", "demo", "x", "--top-p", "2"],
            2,
            "Error: --top-p must be above 0 and at most 1, not 2.0\nHint: --top-p 0.95\n",
        ),
        (["run", "demo", "x", "--seed"], 2, f"Error: option '--seed' requires an argument\n{USAGE}"),
        (["run", "demo"], 2, f"Error: the prompt is empty\nHint: {NO_PROMPT}\n"),
        (
            ["run", "demo", "x", "--as", "31b"],
            2,
            "Error: --as needs --show-prompt\nHint: --as 31b --show-prompt\n",
        ),
    ],
)
def test_an_error_is_one_sentence_and_a_hint(arguments: list[str], code: int, stderr: str) -> None:
    assert run_g4run(*arguments) == Ended(code, "", stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["run", "demo", "--nonsense", "--json"], 2, "usage"),
        (["run", "demo", "--json"], 2, "usage"),
        (["run", "nowhere.gguf", "x", "--json"], 3, "model_not_found"),
        (["run", "./README.md", "x", "--json"], 1, "invalid_model_file"),
        (["run", "demo", "word " * 9000, "--json"], 4, "does_not_fit"),
    ],
)
def test_with_json_an_error_is_json(arguments: list[str], code: int, name: str) -> None:
    ended = run_g4run(*arguments)
    error = json.loads(ended.stdout)["error"]
    assert (ended.code, ended.stderr, error["code"]) == (code, "", name)
    assert error["message"] == error["message"].rstrip(".")


def test_environment_settings_are_checked() -> None:
    ended = run_g4run(*HELLO, environment={"G4RUN_THREADS": "many"})
    assert ended == Ended(
        2, "", "Error: G4RUN_THREADS must be a positive whole number, not 'many'\nHint: unset G4RUN_THREADS\n"
    )


def test_a_read_only_directory_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    reason = f"Error: cannot write the engine's log in {file / 'logs'}: not a directory\n"
    hint = "Hint: set G4RUN_HOME to a writable directory\n"
    assert run_model(*HELLO, environment={"G4RUN_HOME": str(file)}) == Ended(1, "", reason + hint)


def test_a_closed_pipe_ends_the_program_quietly() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, "run", "demo", *ENDLESS], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(1) != b""
        process.stdout.close()
        assert without_choice(process.stderr.read().decode()) == ""
        assert process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk at hand")
def test_a_full_disk_is_reported() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *HELLO], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, check=False
        )
    said = without_choice(done.stderr.decode())
    assert (done.returncode, said) == (1, "Error: the output cannot be written: no space left on device\n")


@pytest.mark.skipif(os.name == "nt", reason="bytes that are not UTF-8 are POSIX's own")
def test_invalid_utf_8_is_not_a_traceback() -> None:
    done = subprocess.run([*COMMAND, "run", "demo", b"\xff", "--show-prompt"], capture_output=True, check=True)
    assert done.stdout.decode() == "<bos><|turn>user\n\ufffd<turn|>\n<|turn>model\n"
