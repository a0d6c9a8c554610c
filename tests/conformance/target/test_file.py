"""Target files: what is read, and one line for every mistake."""

from pathlib import Path

import pytest

from conformance.session import load_cases
from conformance.target import file
from conformance.target.file import TargetFileError, from_endpoints, load, load_client, read_endpoints
from conformance.target.view import lacking

TARGETS = Path(file.__file__).parent

WHOLE = """
[target]
name = "mine"
language = "C"
homepage = "https://example.org"
[process]
start = ["./server", "{port.text}"]
daemon = true
cwd = "build"
env = { PORT = "{port.text}", BRACES = '{"json": 1}' }
ready_timeout = 2.5
pid_file = "{dir}/pid"
workers = { text = 2 }
[process.commands]
stop = ["./server", "stop"]
[endpoints]
text = "tcp://127.0.0.1:{port.text}"
unix = "unix://{dir}/s"
[limits]
max_package_size = 1000
header_timeout = 0.5
[deviations]
"TEXT-003" = "drops empty lines"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "t.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    spec = load(write(tmp_path, WHOLE))
    assert (spec.name, spec.language, spec.homepage) == ("mine", "C", "https://example.org")
    assert spec.limits == {"max_package_size": 1000}
    assert spec.time_limits == {"header_timeout": 0.5}
    assert spec.deviations == {"TEXT-003": "drops empty lines"}
    assert spec.process is not None
    assert spec.process.start == ("./server", "{port.text}")
    assert spec.process.commands == {"stop": ("./server", "stop")}
    assert (spec.process.daemon, spec.process.cwd, spec.process.base) == (True, "build", tmp_path)
    assert spec.process.workers == {"text": 2}


def test_the_least_file(tmp_path: Path) -> None:
    spec = load(write(tmp_path, '[target]\nname = "x"\n[endpoints]\ntext = "tcp://127.0.0.1:9000"'))
    assert spec.process is None
    assert spec.limits == {}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "mine"', "", "target.name: missing"),
        ('name = "mine"', "name = 3", "target.name: 3 is not a string"),
        ('name = "mine"', 'nam = "mine"', "target.nam: unknown key; did you mean 'name'"),
        ("[limits]", "[limit]", "limit: unknown key; did you mean 'limits'"),
        (
            "max_package_size = 1000",
            'max_package_size = "1 MiB"',
            "limits.max_package_size: '1 MiB' is not a whole",
        ),
        ("max_package_size = 1000", "max_package_size = true", "is not a whole number"),
        ("ready_timeout = 2.5", "ready_timeout = 0", "process.ready_timeout: 0 is not a number"),
        ("daemon = true", "daemon = 1", "process.daemon: 1 is not true or false"),
        ('start = ["./server", "{port.text}"]', 'start = "./server"', "is not a list of strings"),
        ('start = ["./server", "{port.text}"]', "start = []", "process.start: missing"),
        ('stop = ["./server", "stop"]', "stop = []", "process.commands.stop: empty"),
        ('stop = ["./server", "stop"]', 'halt = ["x"]', "process.commands.halt: unknown key"),
        (
            "workers = { text = 2 }",
            "workers = { txt = 2 }",
            "process.workers.txt: unknown key; did you mean 'text'",
        ),
        ('"./server", "{port.text}"', '"{prot.text}"', "process.start: unknown {prot.text}; use {port.NAME}"),
        ('PORT = "{port.text}"', 'PORT = "{nope}"', "process.env.PORT: unknown {nope}"),
        (
            'text = "tcp://127.0.0.1:{port.text}"',
            'text = "127.0.0.1"',
            "endpoints.text: '127.0.0.1' has no known",
        ),
        ('text = "tcp://127.0.0.1:{port.text}"', 'telnet = "tcp://h:1"', "endpoints.telnet: unknown key"),
        ("[limits]", "[limits", "not valid TOML"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in WHOLE
    path = write(tmp_path, WHOLE.replace(old, new, 1))
    with pytest.raises(TargetFileError) as error:
        load(path)
    assert complaint in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_no_endpoints(tmp_path: Path) -> None:
    with pytest.raises(TargetFileError, match="nothing to judge"):
        load(write(tmp_path, '[target]\nname = "x"'))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(TargetFileError, match="give the path"):
        load(tmp_path / "missing.toml")


def test_endpoints_of_the_command_line() -> None:
    endpoints = read_endpoints(["text=tcp://127.0.0.1:1", "unix=unix:///s?a=b"])
    assert from_endpoints(endpoints).endpoints == endpoints


@pytest.mark.parametrize("text", ["text", "text=", "nope=tcp://127.0.0.1:1", "text=tcp://127.0.0.1:x"])
def test_wrong_endpoints(text: str) -> None:
    with pytest.raises(TargetFileError, match="--endpoint: "):
        from_endpoints(read_endpoints([text]))


CLIENT = """
[client]
name = "mine"
language = "C"
[process]
start = ["./client", "{url}"]
env = { QUIET = "1" }
[deviations]
"WSC-008" = "masks nothing"
"""


def test_a_client_file(tmp_path: Path) -> None:
    spec = load_client(write(tmp_path, CLIENT))
    assert (spec.name, spec.language, spec.endpoints) == ("mine", "C", {})
    assert spec.deviations == {"WSC-008": "masks nothing"}
    assert spec.process is not None
    assert (spec.process.start, spec.process.base) == (("./client", "{url}"), tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "mine"\n', "", "client.name: missing"),
        ('start = ["./client", "{url}"]', "", "process.start: missing"),
        ("[client]", "[target]", "target: unknown key"),
        ('env = { QUIET = "1" }', "daemon = true", "process.daemon: unknown key"),
    ],
)
def test_mistakes_of_client_files(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in CLIENT
    with pytest.raises(TargetFileError, match="t\\.toml: ") as error:
        load_client(write(tmp_path, CLIENT.replace(old, new)))
    assert complaint in str(error.value)


def test_the_reference_has_in_its_small_file_whatever_a_case_of_its_life_asks_for() -> None:
    cases = [case for case in load_cases().values() if case.section == "lifecycle"]
    all_of_it, little = (load(TARGETS / f"{name}.toml") for name in ("refworker", "refworker_life"))
    assert [lacking(case, little) for case in cases] == [lacking(case, all_of_it) for case in cases]
