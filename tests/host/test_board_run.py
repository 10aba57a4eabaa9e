"""A program is run on a board, and the board goes."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from lwm2m_host.board.errors import RemoteError
from lwm2m_host.board.remote import Remote

from tests.waiting import PATIENCE_S


class Vanishing:
    """A raw REPL on a TCP port that takes a program, prints a word, and is gone."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_S)
        self.port = f"socket://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            self.until(connection, b"\x01")
            connection.sendall(b"raw REPL; CTRL-B to exit\r\n>")
            self.until(connection, b"\x05A\x01")
            connection.sendall(b"R\x00")  # no raw paste: a program ends with Ctrl-D
            self.until(connection, b"\x04")
            connection.sendall(b"OKgoing\r\n")

    @staticmethod
    def until(connection: socket.socket, end: bytes) -> None:
        seen = b""
        while not seen.endswith(end):
            data = connection.recv(1)
            if not data:
                return
            seen += data

    def close(self) -> None:
        self.thread.join()
        self.listener.close()


def test_a_board_that_goes_while_a_program_runs_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program.py"
    program.write_text("print('going')\n")
    board = Vanishing()
    try:
        with pytest.raises(RemoteError, match="the connection broke off; do it again"):
            Remote(board.port).follow(program)
    finally:
        board.close()
    printed = capfd.readouterr()
    assert (printed.out.split(), printed.err) == (["going"], "")
