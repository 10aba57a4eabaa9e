"""boards/UNIX: what is fetched is verified, what is given is used, what is there is left alone."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FETCH = ROOT / "boards" / "UNIX" / "fetch.sh"
OURS = ROOT / "build" / "micropython"
APT_FAILS = "#!/bin/sh\nexit 100\n"

needs_64 = pytest.mark.skipif(not (OURS / "mp64").exists(), reason="no MicroPython at 64 bits")
needs_32 = pytest.mark.skipif(not (OURS / "mp32").exists(), reason="no MicroPython at 32 bits")


@pytest.fixture
def fetch(tmp_path):
    """Calls fetch.sh into a folder of the test's own, with an apt that is there but fails."""
    programs = tmp_path / "bin"
    programs.mkdir()
    out = tmp_path / "out"

    def run(
        apt: str | None = APT_FAILS, **environment: object
    ) -> subprocess.CompletedProcess[str]:
        if apt is not None:
            (programs / "apt-get").write_text(apt)
            (programs / "apt-get").chmod(0o755)
        names = ("MICROPYTHON", "MICROPYTHON32", "DEBIAN_MIRROR", "DEBIAN_KEYRING")
        inherited = {name: value for name, value in os.environ.items() if name not in names}
        return subprocess.run(
            [FETCH, "--out", out],
            env={
                **inherited,
                "PATH": f"{programs}:/usr/bin:/bin",
                **{name: str(value) for name, value in environment.items()},
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    run.out = out
    run.programs = programs
    return run


def bits(program: Path) -> str:
    command = [program, "-c", "import sys; print(sys.maxsize > 2**31)"]
    return {"True": "64", "False": "32"}[subprocess.check_output(command, text=True).strip()]


@needs_64
@needs_32
def test_own_interpreters_are_used(fetch):
    done = fetch(MICROPYTHON=OURS / "mp64", MICROPYTHON32=OURS / "mp32")
    assert done.returncode == 0, done.stdout
    assert bits(fetch.out / "mp64") == "64"
    assert bits(fetch.out / "mp32") == "32"


@needs_64
@needs_32
def test_second_time_is_silent_and_a_new_choice_is_noticed(fetch):
    choice = {"MICROPYTHON": OURS / "mp64", "MICROPYTHON32": OURS / "mp32"}
    assert fetch(**choice).stdout
    assert fetch(**choice).stdout == ""
    other = fetch.programs / "other micropython's"
    other.write_text(f'#!/bin/sh\nexec "{OURS}/mp64" "$@"\n')
    other.chmod(0o755)
    assert str(other) in fetch(MICROPYTHON=other, MICROPYTHON32=OURS / "mp32").stdout
    assert bits(fetch.out / "mp64") == "64"


@needs_64
@needs_32
def test_interpreter_on_path_is_used(fetch):
    (fetch.programs / "micropython").write_text(f'#!/bin/sh\nexec "{OURS}/mp64" "$@"\n')
    (fetch.programs / "micropython").chmod(0o755)
    done = fetch(MICROPYTHON32=OURS / "mp32")
    assert done.returncode == 0, done.stdout
    assert str(fetch.programs / "micropython") in (fetch.out / "mp64").read_text()


@needs_64
def test_missing_width_leaves_its_reason(fetch):
    done = fetch(MICROPYTHON=OURS / "mp64")
    assert done.returncode == 0, done.stdout
    assert "could not be fetched" in (fetch.out / "mp32.missing").read_text()
    assert not (fetch.out / "mp32").exists()
    assert bits(fetch.out / "mp64") == "64"


def test_something_else_than_micropython_is_refused(fetch):
    done = fetch(MICROPYTHON="/bin/true")
    assert done.returncode == 1
    assert "is not a MicroPython 1.25 or later" in done.stdout
    assert not (fetch.out / ".ready").exists()


def test_machine_without_debian_mirror_is_told_what_to_do(fetch):
    done = fetch(apt="#!/bin/sh\nexit 0\n")
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    assert "apt knows no Debian mirror here: install MicroPython" in done.stdout


@pytest.mark.skipif(not Path("/usr/bin/apt-get").exists(), reason="needs apt")
@pytest.mark.skipif(
    not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists(),
    reason="needs debian-archive-keyring",
)
def test_mirror_without_a_signature_is_refused(fetch, tmp_path):
    mirror = tmp_path / "mirror"
    (mirror / "dists" / "trixie").mkdir(parents=True)
    (mirror / "dists" / "trixie" / "Release").write_text(
        "Origin: Debian\nSuite: stable\nCodename: trixie\nComponents: main\n"
        "Architectures: amd64 i386 arm64 armhf\nDate: Sat, 09 Aug 2025 10:00:00 UTC\n"
    )
    done = fetch(apt=None, DEBIAN_MIRROR=f"file:{mirror}")
    assert done.returncode == 1
    assert "is not signed" in done.stdout
    assert "could not fetch and verify" in done.stdout
    assert not list(fetch.out.glob("mp*"))
    assert not (fetch.out / ".ready").exists()


def test_missing_keyring_is_an_error(fetch, tmp_path):
    done = fetch(DEBIAN_KEYRING=tmp_path / "none.gpg", DEBIAN_MIRROR=f"file:{tmp_path}")
    assert done.returncode == 1
    assert "apt install debian-archive-keyring" in done.stdout
    assert not (fetch.out / ".ready").exists()
