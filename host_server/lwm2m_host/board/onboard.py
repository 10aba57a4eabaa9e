"""Programs that run on the board, in MicroPython. Each prints one line of JSON behind MARK."""

from __future__ import annotations

import binascii
import re

STAGE = "/.deploy"  # files wait here until all have arrived
PLAN = f"{STAGE}/plan.json"
COMMIT = f"{STAGE}/commit.json"  # the plan from the moment on at which there is no way back
MANIFEST = "/.deployed.json"
MARK = "lwm2m-board:"
SENT = "lwm2m-sent:"
BUSY = "lwm2m-busy"  # a sign of life of what may take long

_COMMON = f"""
import binascii, hashlib, json, os, sys
def load(path):
    try:
        with open(path) as f:
            return json.load(f)
    except (OSError, ValueError):
        return None
def size(path):
    try:
        s = os.stat(path)
        return -2 if s[0] & 0x4000 else s[6]
    except OSError:
        return -1
def sha(path):
    print("{BUSY}")
    h = hashlib.sha256()
    b = bytearray(512)
    v = memoryview(b)
    try:
        with open(path, "rb") as f:
            while True:
                n = f.readinto(b)
                if not n:
                    break
                h.update(v[:n])
    except OSError:
        return ""
    return binascii.hexlify(h.digest()).decode()
def tell(**what):
    print("{MARK}" + json.dumps(what))
"""

# A watchdog that main.py has started goes on when main.py is stopped. Until the board restarts
# somebody else feeds it, from a timer, which outlives this program.
_FEED = """
try:
    if (load("/config.json") or {}).get("watchdog_ms"):
        import machine
        dog = machine.WDT(timeout=8000)
        feeder = machine.Timer(-1, period=500, callback=lambda _: dog.feed())
except (AttributeError, ImportError, OSError, TypeError, ValueError):
    pass
"""

# Finishes what a power cut or a pulled cable has interrupted: every step may be done twice.
_FINISH = f"""
def walk(path):
    try:
        return os.listdir(path)
    except OSError:
        return []
def drop(path):
    try:
        os.remove(path)
    except OSError:
        return False
    return True
def store(path, data):
    with open(path + ".new", "w") as f:
        json.dump(data, f)
    os.rename(path + ".new", path)
def clean():
    for name in walk("{STAGE}"):
        drop("{STAGE}/" + name)
    try:
        os.rmdir("{STAGE}")
    except OSError:
        pass
def finish():
    plan = load("{COMMIT}")
    if not plan:
        return
    for folder in plan["folders"]:
        if size(folder) == -1:
            os.mkdir(folder)
    for staged, target, _ in plan["move"]:
        print("{BUSY}")
        if size("{STAGE}/" + staged) >= 0:
            os.rename("{STAGE}/" + staged, target)
    for path in plan["remove"]:
        drop(path)
    for folder in plan["empty"]:
        try:
            os.rmdir(folder)
        except OSError:
            pass
    store("{MANIFEST}", plan["manifest"])
    clean()
    if hasattr(os, "sync"):
        os.sync()
"""


def survey(paths: list[str], verify: bool) -> str:
    """A program that tells sizes of `paths` and of what the manifest lists; hashes of them when
    there is no manifest, or when `verify` is set."""
    return f"""{_COMMON}{_FEED}{_FINISH}
finish()
manifest = load("{MANIFEST}")
if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
    manifest = None
found = {{}}
for path in {paths!r} + list(manifest["files"] if manifest else ()):
    if path not in found:
        n = size("/" + path)
        found[path] = [n, sha("/" + path) if n >= 0 and (manifest is None or {verify}) else ""]
staged = {{name: size("{STAGE}/" + name) for name in walk("{STAGE}")}}
def slots():
    return [name for name in ("slot_a", "slot_b", "slots.bin") if size("/" + name) >= 0]
s = os.statvfs("/")
what = sys.implementation
tell(manifest=manifest, found=found, staged=staged, free=s[0] * s[4], total=s[0] * s[2],
    platform=sys.platform, version=list(what.version)[:3], machine=getattr(what, "_machine", ""),
    build=getattr(what, "_build", ""), mpy=getattr(what, "_mpy", 0),
    lib=walk("/lib"), slots=slots())
"""


STAGE_PROGRAM = f"""import os
try:
    os.mkdir("{STAGE}")
except OSError:
    pass
"""


def piece(parts: list[tuple[str, bool, bytes]], number: int) -> str:
    """Bytes for staged files: (name, whether it begins here, bytes). It tells its number."""
    lines = ["import binascii"]
    for name, begins, data in parts:
        text = binascii.b2a_base64(data, newline=False).decode()
        lines.append(f"f = open('{STAGE}/{name}', '{'wb' if begins else 'ab'}')")
        lines.append(f"f.write(binascii.a2b_base64('{text}'))")
        lines.append("f.close()")
    return "\n".join([*lines, f"print('{SENT}{number}')", ""])


def piece_number(line: str) -> int | None:
    """The number of a `piece` that has been written, in a line of the board's output."""
    found = re.fullmatch(SENT + "([0-9]{1,9})", line)
    return int(found[1]) if found else None


COMMIT_PROGRAM = f"""{_COMMON}{_FINISH}
plan = load("{PLAN}")
bad = [staged for staged, _, digest in plan["move"] if sha("{STAGE}/" + staged) != digest]
for staged in bad:
    drop("{STAGE}/" + staged)
if not bad:
    os.rename("{PLAN}", "{COMMIT}")
    finish()
tell(damaged=bad)
"""

RESTART = ("exec", "--no-follow", "import time, machine; time.sleep_ms(100); machine.reset()")


def memory(wait_s: float) -> str:
    """A program that runs main.py and tells of the heap on the way, until the client in it is
    registered, or for so many seconds."""
    return f"""
{_COMMON}{_FEED}
import gc, micropython, time
BLOCK = 32 if sys.maxsize > 1 << 32 else 16
class Measured(BaseException):
    pass
def tell(stage):
    gc.collect()
    print("{MARK}" + json.dumps({{"stage": stage, "block": BLOCK}}))
    micropython.mem_info()
def watch(Client):
    real = Client.step
    start = time.ticks_ms()
    told = []
    def step(client):
        if not told:
            told.append(tell("made"))
        due = real(client)
        if client.registered:
            tell("registered")
            raise Measured
        if time.ticks_diff(time.ticks_ms(), start) > {int(wait_s * 1000)}:
            raise Measured
        return min(due, 100)
    Client.step = step
tell("empty")
try:
    import lwm2m.client
    tell("imported")
    watch(lwm2m.client.Client)
    execfile("main.py")
except Measured:
    pass
except BaseException as error:
    sys.print_exception(error, sys.stdout)
"""


FEED_PROGRAM = f"""{_COMMON}{_FEED}
tell()
"""

CLEAN_PROGRAM = f"""{_COMMON}{_FINISH}
if size("{COMMIT}") == -1:
    clean()
tell()
"""

IDENTITY_PROGRAM = f"""{_COMMON}
what = sys.implementation
unique = ""
try:
    import machine
    unique = binascii.hexlify(machine.unique_id()).decode()
except (AttributeError, ImportError):
    pass
mac = ""
try:
    import network
    mac = binascii.hexlify(network.WLAN(network.STA_IF).config("mac")).decode()
except Exception:
    pass
tell(platform=sys.platform, version=list(what.version)[:3], machine=getattr(what, "_machine", ""),
    build=getattr(what, "_build", ""), mpy=getattr(what, "_mpy", 0), unique=unique, mac=mac)
"""
