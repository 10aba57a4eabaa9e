"""The time that a client with an account takes to load its modules, packed against plain.

    packed.import_ratio         from a littlefs with what `board deploy` puts there, as on a board
    packed.import_ratio_posix   from the files of this computer

On a littlefs most of it is looking for files: three looks in each folder of `sys.path` for each
module, a package for each dot. Here a look is two system calls, and reading takes longer: 25 bytes
at a time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from device_runs import HERE, MPY, PACKED, ROOT, SCRIPTS, finish, prepare, running
from littlefs import LittleFS
from lwm2m_host.board import building, modules
from lwm2m_host.board.pack import building as packed_building
from lwm2m_host.board.pack.deployment import Packer

ROUNDS = 7
BLOCK = 4096
BLOCKS = 128
FIRMWARE = ROOT / "firmware"
PROGRAM = HERE / "device" / "imports.py"


def deployed(packed: bool) -> dict[str, bytes]:
    """The package as `board deploy` puts it onto a board for the program: path -> content."""
    program = modules.find(PROGRAM, FIRMWARE)
    if packed:
        made = Packer(FIRMWARE).program(program)
        cache = ROOT / "build" / "cache" / "packed"
        files = packed_building.compile_all(made.packed, made.package, cache)
    else:
        paths = [building.compiled_name(name) for name in program.files if name != "main.py"]
        files = {path: MPY / path for path in paths}
    return {path: file.read_bytes() for path, file in files.items()}


def write_image(files: dict[str, bytes], image: Path) -> None:
    """Write a littlefs as MicroPython makes it."""
    flash = LittleFS(
        block_size=BLOCK, block_count=BLOCKS, read_size=32, prog_size=32, lookahead_size=32
    )
    for path, content in files.items():
        flash.makedirs(f"/{Path(path).parent.as_posix()}", exist_ok=True)
        with flash.open(f"/{path}", "wb") as file:
            file.write(content)
    image.write_bytes(flash.context.buffer)


def times_us(*arguments: str, modules_in: Path = MPY) -> list[int]:
    """To have a client, and to have another one."""
    with running("imports", *arguments, heap="4m", modules=modules_in) as process:
        return [int(number) for number in finish(process).split()]


def loading_us(times: list[list[int]]) -> int:
    """Loading alone: of the fastest of each, for what is more is another program's."""
    first, second = (min(numbers) for numbers in zip(*times, strict=True))
    return first - second


def measure() -> dict[str, float]:
    """Every metric of this file. Raises BenchError."""
    images = {False: SCRIPTS / "plain.littlefs", True: SCRIPTS / "packed.littlefs"}
    for packed, image in images.items():
        write_image(deployed(packed), image)
    took: dict[tuple[str, bool], list[list[int]]] = {}
    for _ in range(ROUNDS):
        for packed, folder in ((False, MPY), (True, PACKED)):
            took.setdefault(("", packed), []).append(times_us(str(images[packed])))
            took.setdefault(("_posix", packed), []).append(times_us(modules_in=folder))
    best = {key: loading_us(times) for key, times in took.items()}
    return {
        f"packed.import_ratio{place}": best[place, True] / best[place, False]
        for place in ("", "_posix")
    }


if __name__ == "__main__":
    prepare()
    for name, value in measure().items():
        print(f"{value:>10.6g}  {name}", file=sys.stdout)
