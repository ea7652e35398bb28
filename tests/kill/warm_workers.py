"""Worker processes forked from one that has its imports done: a life then takes two seconds and not ten.

`serve FOLDER` is that process; `render FOLDER …` is `renderer render …` whose worker command connects to it;
`attach FOLDER` is that command: it hands its pipes on, and ends the way the forked worker ends.
"""

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

SOCKET = "socket"


def serve(folder: Path) -> None:
    """Fork a worker for every connection; pid files below `folder` tell which worker belongs to which command."""
    from renderer.run import worker

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / SOCKET))
    listener.listen()
    listener.settimeout(0.02)
    commands: dict[int, tuple[socket.socket, Path]] = {}
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            _reap(commands)
            continue
        message, pipes, _, _ = socket.recv_fds(connection, 64, 3)
        child = os.fork()
        if child == 0:
            os.setsid()
            for number, pipe in enumerate(pipes):
                os.dup2(pipe, number)
            os.closerange(3, 4096)
            worker.main()
            os._exit(0)
        for pipe in pipes:
            os.close(pipe)
        pid_file = folder / message.decode()
        pid_file.write_text(str(child))
        commands[child] = (connection, pid_file)


def _reap(commands: dict[int, tuple[socket.socket, Path]]) -> None:
    while commands:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        connection, pid_file = commands.pop(child)
        pid_file.unlink()
        with contextlib.suppress(OSError):
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        connection.close()


def attach(folder: Path) -> None:
    """Stand for the worker in its parent's eyes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / SOCKET))
        socket.send_fds(connection, [str(os.getpid()).encode()], [0, 1, 2])
        # The pipes must close when parent or worker closes them.
        for number in (0, 1, 2):
            os.close(number)
        code = int(connection.recv(16) or b"1")
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


def render(folder: Path, arguments: list[str]) -> None:
    """The real parent; only the command that starts its worker is another."""
    from renderer.cli.main import run

    sys.executable = str(folder / "python")
    sys.exit(run(["render", *arguments]))


if __name__ == "__main__":
    match sys.argv[1]:
        case "serve":
            serve(Path(sys.argv[2]))
        case "attach":
            attach(Path(sys.argv[2]))
        case "render":
            render(Path(sys.argv[2]), sys.argv[3:])
