"""Use a device through the command line, fill it, and lose it."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from g4run.chat.messages import Conversation, Message, Role, TextPart
from g4run.errors import DoesNotFit, LoadFailed, WorkerDied
from g4run.models.library import Library
from g4run.planner.values import Placement
from g4run.runtime.answers.answer import Answer, AnswerOptions
from g4run.runtime.loader import LoadStep
from g4run.runtime.model import ChatModel, LoadOptions
from g4run.settings import read_settings
from scripts.device_proof.servers import Server
from scripts.shapes.writer import write_shape

_SMALL_BYTES = 2_000_000_000  # of address space: less than a server needs for all layers


def prove_failures() -> int:
    """Print each case and whether it went as it should; return how many did not."""
    cases: Sequence[Callable[[], bool]] = (run_and_chat, full_device, lost_server, lost_server_that_returns)
    wrong = 0
    for case in cases:
        is_right = case()
        wrong += not is_right
        sys.stdout.write(f"{case.__name__.replace('_', ' ')}: {'right' if is_right else 'WRONG'}\n")
    return wrong


def run_and_chat() -> bool:
    """`run` and `chat` answer with all layers on a server."""
    server = Server()
    options = ["demo", "--gpu-layers", "99", "--rpc", server.address]
    done = [_g4run("run", *options, "Hello"), _g4run("chat", *options, typed="Hello\n")]
    server.kill()
    return all(one.returncode == 0 and "Hello! I am the demo model" in one.stdout for one in done)


def full_device() -> bool:
    """A server without the memory that it promises: its refusal leads to a smaller plan.

    The server itself may then crash, because a tensor on its way takes memory, too.
    """
    server, steps = Server(_SMALL_BYTES), list[LoadStep]()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "e2b.gguf"
        write_shape("e2b", "Q8_0", path)
        options = LoadOptions(context=4096, rpc_servers=(server.address,))
        model = Library(read_settings()).resolve(str(path))
        try:
            ChatModel.open(model, read_settings(), options, on_step=steps.append).close()
        except LoadFailed as error:
            sys.stdout.write(f"  {error.message}\n")
    server.kill()
    layers = [step.plan.settings.gpu_layers for step in steps]
    sys.stdout.write(f"  layers tried: {layers}; {steps[-1].failure}\n")
    return len(steps) > 1 and isinstance(steps[1].failure, DoesNotFit)


def lost_server() -> bool:
    """A killed server is an error; the next answer comes without it."""
    return _lose(returns=False) is Placement.CPU


def lost_server_that_returns() -> bool:
    """A killed server is an error; the next answer comes from it when it is back."""
    return _lose(returns=True) is Placement.GPU


def _lose(*, returns: bool) -> Placement | None:
    server = Server()
    options = LoadOptions(gpu_layers=99, rpc_servers=(server.address,))
    model = Library(read_settings()).resolve("demo")
    with closing(ChatModel.open(model, read_settings(), options)) as loaded:
        before = _answer(loaded).content
        server.kill()
        try:
            _answer(loaded)
        except WorkerDied as error:
            sys.stdout.write(f"  {error.message}\n")
        else:
            return None
        if returns:
            server.start()
        after = _answer(loaded).content
        placement = loaded.plan.placement
    server.kill()
    return placement if before == after else None


def _answer(model: ChatModel) -> Answer:
    stream = model.answer(
        Conversation((Message(Role.USER, (TextPart("Hello"),)),)), AnswerOptions(max_tokens=8, seed=1)
    )
    for _ in stream:
        pass
    return stream.result


def _g4run(*arguments: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "g4run", *arguments]
    return subprocess.run(command, input=typed, capture_output=True, text=True, check=False)
