"""`g4run run` where tools may be called, and with the rarer samplers."""

import json

from tests.e2e.processes import Ended, run_g4run, run_model
from tests.e2e.test_run import ANSWER, HELLO


def tool(name: str) -> dict[str, object]:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


QUESTION = {"messages": [{"role": "user", "content": "What is the weather in Krakow?"}]}
TOOLS = json.dumps({**QUESTION, "tools": [tool("get_weather"), tool("get_time")]}).encode()


def test_tool_choice_controls_calls() -> None:
    run = ("run", "demo", "--messages", "-", "--temperature", "0", "--tool-choice")
    assert run_model(*run, "auto", stdin=TOOLS) == Ended(0, 'get_weather({"city": "Krakow"})\n', "")
    assert run_model(*run, "required", stdin=TOOLS) == Ended(0, 'get_weather({"city": "Krakow"})\n', "")
    assert run_model(*run, "get_time", stdin=TOOLS) == Ended(0, 'get_time({"city": "Krakow"})\n', "")
    assert run_model(*run, "none", stdin=TOOLS) == Ended(0, "I have no tool for the weather.\n", "")


def test_a_tool_choice_without_tools_is_an_error() -> None:
    reason = "Error: --tool-choice needs the tools in --messages\n"
    assert run_g4run("run", "demo", "x", "--tool-choice", "none") == Ended(2, "", f"{reason}Hint: --messages FILE\n")
    run = ("run", "demo", "--messages", "-", "--tool-choice", "get_tim")
    hint = "Hint: --tool-choice get_weather\n"
    assert run_g4run(*run, stdin=TOOLS) == Ended(2, "", f"Error: the messages declare no tool 'get_tim'\n{hint}")


def test_penalties_use_repeat_last_n() -> None:
    assert run_model(*HELLO, "--repeat-penalty", "1000").stdout != ANSWER
    assert run_model(*HELLO, "--repeat-penalty", "1000", "--repeat-last-n", "0") == Ended(0, ANSWER, "")
