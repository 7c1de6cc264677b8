"""The socket that a server listens on, taken before anything is loaded: a port in use is said at once."""

from __future__ import annotations

import errno
import socket

from corpusmith.core.errors import ParameterError

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Listen; port 0 = a free one.

    Raises:
        ParameterError: The port is in use or may not be taken, or the host is none of this machine's.
    """
    if not 0 <= port <= 65535:
        raise ParameterError(f"{port} is no port", hint="Give one from 0 to 65535 with --port.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ParameterError(
                f"port {port} of {host} is in use", hint="Give another with --port, or --port 0 for a free one."
            ) from error
        if error.errno == errno.EACCES:
            raise ParameterError(f"port {port} may not be taken", hint="Give one above 1023 with --port.") from error
        raise ParameterError(f"cannot listen on {host}: {error.strerror}", hint="Give another with --host.") from error


def url_of(listener: socket.socket) -> str:
    """Where this machine reaches the listener."""
    return url_at(*listener.getsockname()[:2])


def url_at(host: str, port: int) -> str:
    """Where this machine reaches what listens at an address."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - translated, not bound
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
