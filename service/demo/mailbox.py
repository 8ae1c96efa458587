"""A mail server of the demo's own: what Erti writes to citizens becomes a file to read, and goes no further (RFC 5321)."""

import email
import email.policy
import re
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path

HOST = "127.0.0.1"
LONGEST_LINE, MOST_BYTES = 2_000, 1_000_000
REPLIES = {b"HELO": "250 demo", b"EHLO": "250 demo", b"RSET": "250 OK", b"NOOP": "250 OK", b"MAIL": "250 OK"}
_PLAIN = re.compile(r"[^a-z0-9@.-]+")


class Mailbox(socketserver.ThreadingTCPServer):
    """Listens on a free port of this machine and writes each letter to a folder."""

    daemon_threads = True

    def __init__(self, folder: Path, told: Callable[[str, Path], None]) -> None:
        super().__init__((HOST, 0), _Conversation)
        folder.mkdir(mode=0o700, exist_ok=True)
        self.folder, self._told = folder, told
        self._number = len(list(folder.iterdir()))
        self._one_at_a_time = threading.Lock()
        threading.Thread(target=self.serve_forever, name="demo mailbox", daemon=True).start()

    @property
    def url(self) -> str:
        """What `ERTI_SMTP_URL` says to use this."""
        return f"smtp://{HOST}:{self.server_address[1]}"

    def keep(self, content: bytes) -> None:
        """Write a letter down as people read it."""
        letter = email.message_from_bytes(content, policy=email.policy.default)
        to = str(letter["to"])
        head = "".join(f"{name}: {letter[name]}\n" for name in ("From", "To", "Date", "Subject"))
        text = letter.get_body(("plain", "html"))
        with self._one_at_a_time:
            self._number += 1
            path = self.folder / f"{self._number:04d}-{_PLAIN.sub('', to.lower())[:60]}.txt"
            path.write_text(f"{head}\n{text.get_content() if text else ''}", "utf-8")
        self._told(to, path)


class _Conversation(socketserver.StreamRequestHandler):
    """One call of a client; as much of the protocol as a client needs to hand over its letters."""

    timeout = 30
    server: Mailbox

    def handle(self) -> None:
        """Answer line by line until the client leaves."""
        self._say("220 demo")
        while line := self.rfile.readline(LONGEST_LINE):
            verb = line[:4].upper()
            if verb == b"QUIT":
                self._say("221 Bye")
                return
            if verb == b"DATA":
                self._take()
            elif verb == b"RCPT":
                self._say("250 OK")
            else:
                self._say(REPLIES.get(verb, "502 Not here"))

    def _take(self) -> None:
        self._say("354 Go on")
        content = bytearray()
        while (line := self.rfile.readline(LONGEST_LINE)) not in (b".\r\n", b""):
            content += line.removeprefix(b".")
            if len(content) > MOST_BYTES:
                self._say("552 Too long")
                return
        self.server.keep(bytes(content))
        self._say("250 Kept")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
