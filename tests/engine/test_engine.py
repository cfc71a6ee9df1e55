"""The engine as it is: a real process, the real llama.cpp, the built-in model."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine import client
from g4run.engine.client import Engine, Generation
from g4run.engine.parameters import GenerationParameters, LoadParameters, SamplingParameters
from g4run.engine.protocol import Finished, Sampled
from g4run.engine.text import Vocabulary
from g4run.errors import DoesNotFit, G4RunError, LoadFailed, WorkerDied
from g4run.models.library import resolve
from scripts.shapes.writer import write_shape
from tests.fakes.gguf_files import gemma4_file

GREEDY = SamplingParameters(temperature=0)
DEMO = resolve("demo").path
ENDLESS = SamplingParameters(temperature=1e6, top_k=0, top_p=1, seed=8)  # a dice: no end token within 500 draws


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with_two = LoadParameters(os.fsencode(DEMO), context_length=2048, threads=1, sequences=2, micro_batch=32)
    engine = Engine(with_two, tmp_path_factory.mktemp("logs"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def vocabulary() -> Iterator[Vocabulary]:
    vocabulary = Vocabulary(DEMO, CONTROL_TEXTS)
    yield vocabulary
    vocabulary.close()


@pytest.fixture(scope="module")
def prompt(vocabulary: Vocabulary) -> list[int]:
    control = vocabulary.control_token
    turn = [control("<|turn>"), *vocabulary.tokenize("user\nHello!"), control("<turn|>"), *vocabulary.tokenize("\n")]
    return [control("<bos>"), *turn, control("<|turn>"), *vocabulary.tokenize("model\n")]


def generate(engine: Engine, tokens: list[int], parameters: GenerationParameters) -> tuple[list[Sampled], Finished]:
    generation = engine.generate(tokens, parameters)
    sampled = list(generation)
    assert generation.finished is not None
    return sampled, generation.finished


def tokens_of(sampled: list[Sampled]) -> list[int]:
    return [each.token for each in sampled]


def test_greedy_tokens_are_the_same_each_time_and_end_with_the_models_own_end(
    engine: Engine, prompt: list[int], vocabulary: Vocabulary
) -> None:
    first, finished = generate(engine, prompt, GenerationParameters(sampling=GREEDY))
    second, _ = generate(engine, prompt, GenerationParameters(sampling=GREEDY))
    assert tokens_of(first) == tokens_of(second)
    assert vocabulary.piece(first[-1].token) == b"<turn|>"
    assert (finished.reason, finished.prompt_tokens, finished.generated_tokens) == ("stop", len(prompt), len(first))
    assert finished.prompt_seconds > 0 and finished.generation_seconds > 0


def test_a_long_prompt_in_small_micro_batches_gives_what_one_batch_gives(
    prompt: list[int], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    long_prompt = [prompt[0], *vocabulary.tokenize("Hello there, friend. " * 80), *prompt[1:]]
    answers = []
    for micro_batch in (16, 512):
        parameters = LoadParameters(os.fsencode(DEMO), context_length=2048, threads=1, micro_batch=micro_batch)
        engine = Engine(parameters, tmp_path)
        answers.append(tokens_of(generate(engine, long_prompt, GenerationParameters(20, GREEDY))[0]))
        engine.close()
    assert len(long_prompt) > 256
    assert answers[0] == answers[1]


def test_a_seed_gives_the_same_draw_and_another_seed_another(engine: Engine, prompt: list[int]) -> None:
    hot = [SamplingParameters(temperature=3, top_k=0, top_p=1, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (tokens_of(generate(engine, prompt, GenerationParameters(24, each))[0]) for each in hot)
    assert first == again
    assert first != other


def test_top_k_of_one_is_greedy_whatever_the_temperature(engine: Engine, prompt: list[int]) -> None:
    greedy, _ = generate(engine, prompt, GenerationParameters(sampling=GREEDY))
    single, _ = generate(engine, prompt, GenerationParameters(sampling=SamplingParameters(temperature=2, top_k=1)))
    assert tokens_of(single) == tokens_of(greedy)


@pytest.mark.parametrize("filtered", [{"top_p": 1e-6}, {"top_p": 1, "min_p": 1}], ids=["top-p", "min-p"])
def test_a_filter_that_leaves_one_token_is_greedy(
    engine: Engine, prompt: list[int], filtered: dict[str, float]
) -> None:
    greedy, _ = generate(engine, prompt, GenerationParameters(sampling=GREEDY))
    sampling = SamplingParameters(temperature=3, top_k=0, **filtered)  # type: ignore[arg-type] # floats, all of them
    assert tokens_of(generate(engine, prompt, GenerationParameters(sampling=sampling))[0]) == tokens_of(greedy)


def test_max_tokens_is_kept_to_the_token(engine: Engine, prompt: list[int]) -> None:
    sampled, finished = generate(engine, prompt, GenerationParameters(3, GREEDY))
    assert (len(sampled), finished.reason) == (3, "length")


def test_the_context_is_used_to_its_last_cell(prompt: list[int], tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    sampled, finished = generate(engine, prompt, GenerationParameters(sampling=ENDLESS))
    engine.close()
    assert finished.reason == "length"
    assert len(prompt) + len(sampled) == 256 + 1  # the last token is drawn, and needs no cell


def test_a_prompt_longer_than_the_context_is_refused_and_others_go_on(engine: Engine, prompt: list[int]) -> None:
    with pytest.raises(DoesNotFit, match="the prompt has 2,048 tokens, and the context holds 2,048 with the answer"):
        generate(engine, [prompt[0]] * 2048, GenerationParameters())
    assert generate(engine, prompt, GenerationParameters(1, GREEDY))[0]


@pytest.mark.parametrize("tokens", [[], [2, -1], [2, 10_000_000]], ids=["empty", "negative", "out of range"])
def test_tokens_on_which_the_library_would_fail_are_refused(engine: Engine, tokens: list[int]) -> None:
    with pytest.raises(G4RunError, match="the prompt is empty or has a token out of range"):
        generate(engine, tokens, GenerationParameters())


def test_logprobs_are_of_the_drawn_token_and_of_the_likeliest(engine: Engine, prompt: list[int]) -> None:
    sampled, _ = generate(engine, prompt, GenerationParameters(5, GREEDY, logprobs=3))
    for each in sampled:
        assert len(each.alternatives) == 3
        assert each.alternatives[0].token == each.token
        assert each.alternatives[0].logprob == pytest.approx(each.logprob)
        assert 0 >= each.alternatives[0].logprob >= each.alternatives[1].logprob >= each.alternatives[2].logprob


def test_requests_side_by_side_get_what_they_get_alone(engine: Engine, prompt: list[int]) -> None:
    requests = [(prompt, GenerationParameters(20, GREEDY)), (prompt[:-3] + prompt, GenerationParameters(20, GREEDY))]
    alone = [tokens_of(generate(engine, *request)[0]) for request in requests]
    together = [engine.generate(*request) for request in (*requests, *requests, *requests)]
    streams = [list(generation) for generation in together]
    assert [tokens_of(stream) for stream in streams] == alone * 3
    assert {each.sequence_id for stream in streams for each in stream} == {0, 1}


def test_a_cancelled_request_ends_and_says_so(engine: Engine, prompt: list[int]) -> None:
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    for seen, _ in enumerate(generation, 1):
        if seen == 5:
            generation.cancel()
    assert generation.finished is not None
    assert generation.finished.reason == "cancelled"
    assert 5 <= generation.finished.generated_tokens < 1500


def test_a_request_that_is_dropped_frees_its_sequence(engine: Engine, prompt: list[int]) -> None:
    for _ in range(3):
        for _token in engine.generate(prompt, GenerationParameters(sampling=ENDLESS)):
            break
        assert engine._process is not None
        assert engine._process._waiting == {}
    assert generate(engine, prompt, GenerationParameters(2, GREEDY))[1].reason == "length"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to kill with")
def test_a_killed_worker_fails_its_request_and_the_next_one_gets_another(engine: Engine, prompt: list[int]) -> None:
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    killed, log = engine.worker_pid, engine.log_path
    assert killed is not None
    with pytest.raises(WorkerDied) as caught:
        for number, _ in enumerate(generation):
            if number == 3:
                os.kill(killed, signal.SIGKILL)
    assert caught.value.message == (
        "the engine was ended by signal 9 (SIGKILL), perhaps by the system for want of memory"
    )
    assert caught.value.hint == f"see {log}; the next request starts a new engine"
    assert generate(engine, prompt, GenerationParameters(2, GREEDY))[0]
    assert engine.worker_pid != killed


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has real-time signals")
def test_a_signal_without_a_name_is_told_by_its_number(engine: Engine, prompt: list[int]) -> None:
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    assert engine.worker_pid is not None
    os.kill(engine.worker_pid, signal.SIGRTMIN + 1)
    with pytest.raises(WorkerDied, match=rf"the engine was ended by signal {signal.SIGRTMIN + 1}$"):
        list(generation)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to stop with")
def test_a_worker_that_is_stopped_is_ended_too_with_a_command_stuck_in_its_pipe(
    prompt: list[int], tmp_path: Path
) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    engine.load()
    stopped = engine.worker_pid
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    stuck = threading.Thread(target=engine.generate, args=(prompt * 100_000, GenerationParameters()))
    stuck.start()
    time.sleep(0.1)
    engine.close()
    stuck.join(5)
    assert not stuck.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(stopped, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove a file that is in use")
def test_a_worker_whose_log_was_removed_works_and_its_death_is_told(prompt: list[int], tmp_path: Path) -> None:
    """Each start removes old logs, also of engines that still run."""
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)

    def remove_log() -> None:
        while engine.worker_pid is None:
            time.sleep(0.001)
        assert engine.log_path is not None
        engine.log_path.unlink()

    remover = threading.Thread(target=remove_log)
    remover.start()
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    remover.join()
    assert engine.worker_pid is not None
    os.kill(engine.worker_pid, signal.SIGABRT)
    with pytest.raises(WorkerDied, match=r"the engine was ended by signal 6 \(SIGABRT\)$"):
        list(generation)
    engine.close()


def test_a_file_name_that_is_no_text_is_loaded(prompt: list[int], tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.gguf"
    try:
        os.link(DEMO, path)
    except OSError:
        pytest.skip("this file system keeps only names of text")
    engine = Engine(LoadParameters(path, context_length=256, threads=1), tmp_path)
    assert generate(engine, prompt, GenerationParameters(1, GREEDY))[0]
    engine.close()
    Vocabulary(Path(os.fsdecode(path)), CONTROL_TEXTS).close()


def test_the_worker_imports_nothing_from_where_you_are(
    prompt: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "queue", "typing"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path / "logs")
    assert generate(engine, prompt, GenerationParameters(1, GREEDY))[0]
    engine.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to kill with")
def test_a_worker_that_died_between_two_commands_fails_what_comes_after(tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    engine.load()
    process = engine._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    while process.is_alive:
        time.sleep(0.01)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        list(Generation(process, 1))
    engine.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to kill with")
def test_a_worker_that_dies_idle_is_replaced(engine: Engine, prompt: list[int]) -> None:
    engine.load()
    assert engine.worker_pid is not None
    os.kill(engine.worker_pid, signal.SIGKILL)
    while engine.is_alive:
        time.sleep(0.01)
    assert generate(engine, prompt, GenerationParameters(2, GREEDY))[0]


def test_a_worker_goes_when_its_program_does(prompt: list[int], tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=2048, threads=1), tmp_path)
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    threading.Timer(0.2, engine.close).start()  # closes stdin, as the end of the program does
    with pytest.raises(WorkerDied, match="the engine was closed"):
        list(generation)


def test_progress_goes_up_to_one(tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    seen: list[float] = []
    loaded = engine.load(seen.append)
    engine.close()
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert loaded.context_length == 256


def test_what_llama_cpp_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    path = gemma4_file().lacking_tensor("blk.0.attn_q.weight").write(tmp_path / "lacking.gguf")
    engine = Engine(LoadParameters(os.fsencode(path), context_length=256, threads=1), tmp_path)
    with pytest.raises(LoadFailed) as caught:
        engine.load()
    assert caught.value.message == "llama.cpp did not load the model: tensor 'blk.0.attn_q.weight' not found"
    assert caught.value.hint.startswith(f"see {tmp_path}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space of a process")
def test_a_machine_without_the_memory_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 17 GB cannot be mapped into an address space of 8."""
    import resource  # noqa: PLC0415 - not on Windows

    path = tmp_path / "31b.gguf"
    write_shape("31b", "Q4_0", path)
    started = client._start

    def start_bounded(log_path: Path) -> "subprocess.Popen[bytes]":
        process = started(log_path)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (8 << 30, 8 << 30))
        return process

    monkeypatch.setattr(client, "_start", start_bounded)
    engine = Engine(LoadParameters(os.fsencode(path), context_length=256, threads=1), tmp_path)
    with pytest.raises(DoesNotFit, match="there is not enough memory for the model: "):
        engine.load()


def test_an_assertion_in_the_library_is_told_as_what_it_is(tmp_path: Path) -> None:
    """Six layers of which four share: no global layer owns a cache, on which llama-kv-cache.cpp asserts."""
    from scripts.shapes.metadata import int_value  # noqa: PLC0415

    file = gemma4_file().having("gemma4.attention.shared_kv_layers", int_value(4))
    engine = Engine(
        LoadParameters(os.fsencode(file.write(tmp_path / "a.gguf")), context_length=256, threads=1), tmp_path
    )
    with pytest.raises(LoadFailed, match=r"the engine was ended by signal 6 \(SIGABRT\): GGML_ASSERT"):
        engine.load()
    (log,) = tmp_path.glob("*.log")
    assert "ggml_print_backtrace" not in log.read_text()  # a debugger would take seconds


def test_nothing_but_the_log_hears_from_llama_cpp(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    engine.load()
    log = engine.log_path
    engine.close()
    assert capfd.readouterr() == ("", "")
    assert log is not None and "llama_model_loader" in log.read_text()
