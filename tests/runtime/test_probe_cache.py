"""llama.cpp's figures are probed once and cached."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from g4run.engine.parameters import LoadParameters
from g4run.engine.probe.probe import ProbedMemory, ProbeFailure, probe
from g4run.runtime.probe_cache import MAX_ENTRIES, confirm_load
from g4run.settings import Settings, read_settings
from tests.fakes.gguf_files import foreign_file, gemma4_file
from tests.planner.machines import gpu, machine

HERE = machine(16)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"G4RUN_HOME": str(tmp_path / "home")})


@pytest.fixture
def parameters(tmp_path: Path) -> LoadParameters:
    path = gemma4_file().write(tmp_path / "model.gguf")
    return LoadParameters(os.fsencode(path), 1024, threads=1, gpu_layers=0)


def kept(settings: Settings) -> Path:
    return settings.data_directory / "confirmations.json"


def test_llama_cpps_figures_are_cached(parameters: LoadParameters, settings: Settings) -> None:
    expected = probe(parameters)
    assert confirm_load(parameters, HERE, settings) == expected
    content = kept(settings).read_bytes()
    assert (
        confirm_load(replace(parameters, threads=7, ram_cache_bytes=7, checkpoint_bytes=7), HERE, settings) == expected
    )
    assert kept(settings).read_bytes() == content


def test_cached_figures_need_no_probe(parameters: LoadParameters, settings: Settings) -> None:
    confirm_load(parameters, HERE, settings)
    text = kept(settings).read_text("ascii")
    kept(settings).write_text(text.replace('"kv_bytes":', '"kv_bytes":1'), "ascii")
    found = confirm_load(parameters, HERE, settings)
    expected = probe(parameters)
    assert isinstance(found, ProbedMemory) and isinstance(expected, ProbedMemory)
    assert str(found.kv_bytes) == f"1{expected.kv_bytes}"


def test_another_context_file_or_machine_is_probed(parameters: LoadParameters, settings: Settings) -> None:
    first = confirm_load(parameters, HERE, settings)
    second = confirm_load(replace(parameters, context_length=2048), HERE, settings)
    assert isinstance(first, ProbedMemory) and isinstance(second, ProbedMemory)
    assert second.kv_bytes > first.kv_bytes
    confirm_load(parameters, machine(16, gpu(8)), settings)
    os.utime(parameters.model_path, (1, 1))
    confirm_load(parameters, HERE, settings)
    assert kept(settings).read_text("ascii").count('"type":"memory"') == 4


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"version": 2, "confirmations": {}}', b"\xff" * 100])
def test_an_invalid_file_is_ignored(content: bytes, parameters: LoadParameters, settings: Settings) -> None:
    settings.data_directory.mkdir(parents=True)
    kept(settings).write_bytes(content)
    assert isinstance(confirm_load(parameters, HERE, settings), ProbedMemory)
    assert kept(settings).read_bytes() != content


def test_a_failure_is_not_cached(tmp_path: Path, settings: Settings) -> None:
    path = foreign_file("no-such-architecture").write(tmp_path / "foreign.gguf")
    assert isinstance(confirm_load(LoadParameters(os.fsencode(path), 512, 1), HERE, settings), ProbeFailure)
    assert not kept(settings).exists()


def test_a_directory_that_cannot_be_created_is_ignored(parameters: LoadParameters, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked = read_settings({"G4RUN_HOME": str(tmp_path / "file" / "home")})
    assert isinstance(confirm_load(parameters, HERE, blocked), ProbedMemory)


def test_only_the_latest_are_kept(parameters: LoadParameters, settings: Settings) -> None:
    found = confirm_load(parameters, HERE, settings)
    text = kept(settings).read_text("ascii")
    start, end = text.index('{"type"'), text.rindex("}}")
    entry = text[start:end]
    many = ",".join(f'"{number}":{entry}' for number in range(MAX_ENTRIES + 5))
    kept(settings).write_text(f'{{"version":1,"confirmations":{{{many}}}}}', "ascii")
    assert confirm_load(parameters, HERE, settings) == found
    assert kept(settings).read_text("ascii").count('"type":"memory"') == MAX_ENTRIES
