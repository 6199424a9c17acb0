"""Tars for the tests: plain ones, and ones with headers that no honest program writes."""

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class Raw:
    """One member as its bytes are; `claimed` is the size that its header tells, else the true one."""

    name: bytes = b"a.mp4"
    kind: bytes = tarfile.REGTYPE
    content: bytes = b""
    claimed: int | None = None
    link: bytes = b""

    def blocks(self) -> bytes:
        """Header and content with a right checksum."""
        size = len(self.content) if self.claimed is None else self.claimed
        header = bytearray(BLOCK)
        header[:100] = self.name[:100].ljust(100, b"\0")
        header[100:124] = b"0000644\0" + 2 * b"0000000\0"
        fits = 0 <= size < 8**11
        header[124:136] = b"%011o\0" % size if fits else _base_256(size)
        header[136:156] = b"%011o\0" % 0 + b" " * 8
        header[156:157] = self.kind
        header[157:257] = self.link[:100].ljust(100, b"\0")
        header[257:265] = b"ustar  \0" if self.kind in b"SLK" else b"ustar\x0000"
        header[148:156] = b"%06o\0 " % sum(header)
        return bytes(header) + self.content + b"\0" * (-len(self.content) % BLOCK)


def _base_256(size: int) -> bytes:
    """Twelve bytes of a number that octal digits cannot hold, such as a negative one."""
    return bytes([0xFF if size < 0 else 0x80]) + (size % 256**11).to_bytes(11, "big")


def raw_tar(path: Path, members: Iterable[Raw]) -> Path:
    path.write_bytes(b"".join(member.blocks() for member in members) + bytes(2 * BLOCK))
    return path


def pax(**values: str) -> bytes:
    """Records of an extended header."""
    records = b""
    for key, value in values.items():
        text = f" {key.replace('__', '.')}={value}\n".encode("utf-8", "surrogatepass")
        length = len(text) + len(str(len(text) + len(str(len(text)))))
        records += str(length).encode() + text
    return records


def plain_tar(path: Path, members: dict[str, bytes], links: dict[str, bytes] | None = None) -> Path:
    """As tarfile writes it; `links` are members of other types by name."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
        for name, kind in (links or {}).items():
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, "/etc/passwd"
            tar.addfile(header)
    return path
