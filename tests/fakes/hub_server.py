"""The HTTP/1.1 half of the local Hub: two listeners, a thread for each connection, faults, and a log."""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.fakes.hub_faults import BEFORE_ANSWER, OF_BODY, Fault, FaultKind, Faults, Stage
from tests.fakes.hub_wire import Answer, BodySender, Slice, announced_length, reset

_SEND_BUFFER_BYTES = 256 << 10
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Welcome to Airport WiFi</title></head><body>Log in</body></html>"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; `subject` is what faults and counts know it by. Header names are in lower case."""

    stage: Stage
    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    subject: str

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


class Traffic:
    """What was asked and how many bytes of bodies were sent; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._sent: dict[str, int] = {}

    @property
    def requests(self) -> tuple[Request, ...]:
        with self._lock:
            return tuple(self._requests)

    def sent_bytes(self, subject: str | None = None) -> int:
        """Bytes of the bodies of one file, or of all."""
        with self._lock:
            return sum(self._sent.values()) if subject is None else self._sent.get(subject, 0)

    def saw(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def counter(self, subject: str) -> Callable[[int], None]:
        def count(sent: int) -> None:
            with self._lock:
                self._sent[subject] = self._sent.get(subject, 0) + sent

        return count

    def reset(self) -> None:
        with self._lock:
            self._requests.clear()
            self._sent.clear()


@dataclass(slots=True)
class Wire:
    """What both listeners share."""

    faults: Faults
    traffic: Traffic
    stopping: threading.Event
    rate: int | None = None  # bytes a second for each connection


@dataclass(frozen=True, slots=True)
class Route:
    """How a listener answers: what a request is about, and the answer to it."""

    describe: Callable[[str], tuple[Stage, str]]
    answer: Callable[[Request], Answer]


class Listener(ThreadingHTTPServer):
    """One host of the two; it starts at once, on a port that stays the same over `stop` and another start."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, route: Route, wire: Wire) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self.address_family = family  # what the name means here first: a client asks there first as well
        self.route = route
        self.wire = wire
        self._open: set[socket.socket] = set()
        super().__init__((str(address[0]), port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def server_bind(self) -> None:
        """Binds without asking for the host's full name, which may ask a name server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    def get_request(self) -> tuple[socket.socket, object]:
        """Accepts with a small buffer, so that `sent` is near to what a client got that is then killed; no slower."""
        connection, address = super().get_request()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        return connection, address

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that went away."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Listener
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the log is `Traffic`."""

    def _serve(self) -> None:
        wire, route = self.server.wire, self.server.route
        headers = {name.lower(): value for name, value in self.headers.items()}
        stage, subject = route.describe(self.path)
        request = Request(stage, self.command, headers.get("host", ""), self.path, headers, subject)
        wire.traffic.saw(request)
        for fault in wire.faults.take(BEFORE_ANSWER, stage, self.command, subject):
            replaced = self._fail(fault)
            if replaced is not None:
                self._send(replaced, request, ())
            return
        answer = route.answer(request)
        faults: tuple[Fault, ...] = ()
        if self.command == "GET" and isinstance(answer.body, Slice):
            body = (answer.body.start, answer.body.length)
            faults = wire.faults.take(OF_BODY, stage, self.command, subject, body)
        self._send(answer, request, faults)

    def _fail(self, fault: Fault) -> Answer | None:
        """The answer in place of the true one; None if there is to be none."""
        match fault.kind:
            case FaultKind.STATUS:
                return _failure(fault)
            case FaultKind.PORTAL:
                return Answer(200, (("Content-Type", "text/html"),), LOGIN_PAGE)
            case FaultKind.REDIRECT_LOOP:
                return Answer(302, (("Location", self.path),))
            case FaultKind.HANG:
                self.server.wire.stopping.wait(fault.value or None)
        self.close_connection = True
        return None

    def _send(self, answer: Answer, request: Request, faults: tuple[Fault, ...]) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(announced_length(answer, faults)))
        self.end_headers()
        if self.command == "HEAD":
            return
        wire = self.server.wire
        sender = BodySender(self.connection, wire.traffic.counter(request.subject), wire.stopping)
        if not sender.send(answer.body, faults, wire.rate):
            self.close_connection = True
            if any(fault.kind is FaultKind.RESET for fault in faults):
                reset(self.connection)


def _failure(fault: Fault) -> Answer:
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain"),)
    if fault.retry_after is not None:
        headers += (("Retry-After", str(fault.retry_after)),)
    return Answer(fault.value or 503, headers, b"as the fault says")
