import os
from pathlib import Path

import pytest

from g4run.cli.commands.import_ import import_path
from tests.fakes.stores import write_model
from tests.fakes.streams import RecordedOutput


@pytest.mark.skipif(os.name == "nt", reason="nobody can remove the directory that a process is in")
def test_a_removed_directory_allows_absolute_paths_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_model(tmp_path / "m.gguf")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    output = RecordedOutput()
    import_path(str(model), "mine", False, output)
    assert output.stdout == "mine is ready, its file stays where it is: g4run chat mine\n"
    with pytest.raises(FileNotFoundError):
        import_path("m.gguf", "mine", False, output)
