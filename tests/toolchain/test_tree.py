"""The tree fits every machine: it names no package mirror and no path of whoever wrote it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Written so that this file does not match itself.
HOSTS = [
    r"\b(?:deb|ftp|archive|ports|security|snapshot)\.(?:\w+\.)?(?:debian|ubuntu)\.\w+",
    r"\b(?:test\.)?(?:pypi|pythonhosted)\.(?:org|python)",
    r"//[^/\s]*(?:mirror|artifact|nexus|jfrog|registry)[^/\s]*\.\w+",
]
PATHS = [
    r"(?<![\w.}-])/(?:root|work|workspace|builds)/\w",
    r"(?<![\w.}-])/(?:home|Users)/[a-z]\w*/",
]


def files() -> list[Path]:
    """What is or would be committed; `git` knows, and a tarball has nothing else."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        made = {ROOT / ".venv", ROOT / "build"}
        found = [path for path in ROOT.rglob("*") if not made & {path, *path.parents}]
    else:
        found = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in found if path.is_file()]


def texts() -> dict[str, str]:
    found = {}
    for path in files():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def matches(patterns: list[str], text: str) -> list[str]:
    return [match[0] for pattern in patterns for match in re.finditer(pattern, text)]


def configured_hosts() -> set[str]:
    """The hosts that this very machine gets its packages from."""
    configuration = "\n".join(
        value for name, value in os.environ.items() if name.upper().startswith(("PIP_", "UV_"))
    )
    for command in (
        ["apt-get", "indextargets", "--format", "$(SITE)"],
        [str(ROOT / ".venv/bin/python"), "-m", "pip", "config", "list"],
    ):
        if shutil.which(command[0]):
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            configuration += "\n" + result.stdout
    hosts = re.findall(r"://(?:[^/@\s'\"]*@)?([\w.-]+)", configuration)
    return {host for host in hosts if "." in host}


def test_no_package_mirror_is_named():
    patterns = HOSTS + [rf"\b{re.escape(host)}\b" for host in configured_hosts()]
    assert not {
        name: found for name, text in texts().items() if (found := matches(patterns, text))
    }


def test_no_path_of_a_work_machine_is_named():
    patterns = list(PATHS)
    for folder in (ROOT, Path.home()):
        if len(folder.parts) > 2:
            patterns.append(re.escape(str(folder)) + r"\b")
    assert not {
        name: found for name, text in texts().items() if (found := matches(patterns, text))
    }


@pytest.mark.parametrize(
    "words",
    [
        ("http://deb", "debian", "org/debian"),
        ("https://pypi", "org/simple"),
        ("https://files", "pythonhosted", "org"),
        ("https://mirror", "example", "com"),
        ("https://me@packages-registry", "example", "com/x"),
    ],
)
def test_mirror_is_recognised(words):
    assert matches(HOSTS, "see " + ".".join(words))


@pytest.mark.parametrize(
    "words",
    [("", "root", "x"), ("", "work", "main"), ("", "home", "me", ""), ("", "Users", "me", "")],
)
def test_path_is_recognised(words):
    assert matches(PATHS, f'open("{"/".join(words)}")')


def test_common_addresses_are_not_mistaken():
    text = "https://www.debian.org https://openmobilealliance.org/root/x coap://192.0.2.1/1/0/1"
    assert not matches(HOSTS + PATHS, text)
