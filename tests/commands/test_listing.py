import huggingface_hub

from diffdemo.__main__ import main
from diffdemo.models import TABLE, costs

HUB = [entry for entry in TABLE if not entry.bundled]


def test_the_command_prints_the_table(monkeypatch, capsys):
    monkeypatch.setattr(costs, "machine_rate", lambda device="": 50.0)
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(TABLE)
    assert lines[2].startswith("| faces | pixel | 16 x 16 | bundled | Apache 2.0 | bundled |")
    cat = "| google/ddpm-cat-256 | pixel | 256 x 256 | 455 MB | Apache 2.0 | main, not verified |"
    assert f"{cat} 27 minutes |" in lines


def test_the_command_prints_the_commits_of_the_hub(monkeypatch, capsys):
    class Info:
        sha = "0" * 40

    calls = []

    def model_info(self, repo, revision):
        calls.append((repo, revision))
        return Info

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    assert main(["models", "--pin"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{entry.name}: {Info.sha}" for entry in HUB]
    assert calls == [(entry.name, entry.revision) for entry in HUB]
