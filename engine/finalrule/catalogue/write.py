"""A year's measures as files: the bytes of each, and their writing, whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

from finalrule.cache import write_whole
from finalrule.catalogue.header import HEADER
from finalrule.catalogue.importer import Imported
from finalrule.catalogue.layout import LAYOUTS, Records


def table_bytes(file: str, records: Records) -> bytes:
    """A catalogue as bytes: header line, rows in the order given, LF line ends."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LAYOUTS[file].columns)
    writer.writerows(records.values())
    return text.getvalue().encode()


def rendered(imported: Imported) -> dict[str, bytes]:
    """The bytes of every file of the folder, the header last: it names the others' digests."""
    files = {file: table_bytes(file, records) for file, records in imported.files.items()}
    block = ["files:"]
    for file, data in files.items():
        block.append(f"  {file}:")
        block.append(f"    rows: {len(imported.files[file])}")
        block.append(f"    sha256: {hashlib.sha256(data).hexdigest()}")
    header = imported.header.people + "\n".join(block) + "\n"
    return {**files, HEADER: header.encode()}


def outdated(folder: Path, imported: Imported) -> dict[str, bytes]:
    """The files whose bytes in the folder are others, with the new bytes. Raises OSError."""
    found = {}
    for file, data in rendered(imported).items():
        path = folder / file
        if not path.exists() or path.read_bytes() != data:
            found[file] = data
    return found


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files, each whole or not at all, in their order. Raises OSError; the header, which
    comes last, then still tells the digests of the old files."""
    for file, data in files.items():
        write_whole(folder / file, data)
        (folder / file).chmod(0o644)
