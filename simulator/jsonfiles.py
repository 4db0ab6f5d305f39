"""JSON files on disk that are read again when they change.

A test, or somebody at the demo, edits a tenant while it is served; every look costs one `stat` per file and only what
changed is parsed again. A file that cannot be parsed never stops the server: it is reported once, and what it held when
it was last good goes on being served (an editor that writes in place leaves half a file for a moment).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

Report = Callable[[str], None]
Stamp = tuple[int, int, int]


def parse(data: bytes) -> Any:
    """Any JSON value. Raises ValueError with the place of the mistake."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error


def _stamp(entry: os.stat_result) -> Stamp:
    return (entry.st_mtime_ns, entry.st_size, entry.st_ino)


class JsonFile:
    """One optional JSON file: `default` while it is absent or has never been readable.

    `generation` grows with every new value; a file that cannot be read gives none.
    """

    def __init__(self, path: Path, default: Any, report: Report) -> None:
        self._path = path
        self._default = default
        self._report = report
        self._stamp: Stamp | None = None
        self._value = default
        self.generation = 0

    def value(self) -> Any:
        try:
            stamp: Stamp | None = _stamp(self._path.stat())
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return self._value
        self._stamp = stamp
        try:
            self._value = self._default if stamp is None else parse(self._path.read_bytes())
            self.generation += 1
        except (OSError, ValueError) as error:
            self._report(f"{self._path}: not readable, what it held before stays: {error}")
        return self._value


class JsonFolder:
    """Every *.json in a folder (`deep`: and below it), sorted by path; `skip` names files that mean something else.

    `still`: nobody changes them, so only the first look is one.
    """

    def __init__(
        self,
        root: Path,
        report: Report,
        *,
        deep: bool = False,
        skip: frozenset[str] = frozenset(),
        still: bool = False,
    ) -> None:
        self._root = root
        self._report = report
        self._deep = deep
        self._skip = skip
        self._still = still
        self._stamps: dict[str, Stamp] = {}
        self._contents: dict[str, Any] = {}
        self.generation = 0

    def refresh(self) -> int:
        """Look for changes; the answer is a number that grows with every change."""
        if self._still and self.generation:
            return self.generation
        stamps = dict(sorted(self._scan(self._root)))
        if stamps == self._stamps and self.generation:
            return self.generation
        self.generation += 1
        contents: dict[str, Any] = {}
        for path, stamp in stamps.items():
            if self._stamps.get(path) == stamp and path in self._contents:
                contents[path] = self._contents[path]
            else:
                self._read(path, contents)
        self._stamps, self._contents = stamps, contents
        return self.generation

    def bodies(self) -> Iterator[dict[str, Any]]:
        """The objects of all files: a file holds one body or an array of bodies."""
        for _, body in self.bodies_with_files():
            yield body

    def bodies_with_files(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path, content in self._contents.items():
            for body in content if isinstance(content, list) else [content]:
                if isinstance(body, dict):
                    yield Path(path), body

    def _scan(self, folder: Path) -> Iterator[tuple[str, Stamp]]:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            try:
                if self._deep and entry.is_dir():
                    yield from self._scan(Path(entry.path))
                elif entry.name.endswith(".json") and entry.name not in self._skip:
                    yield entry.path, _stamp(entry.stat())
            except OSError:
                continue  # gone between the listing and the look: the next request sees the folder as it is then

    def _read(self, path: str, contents: dict[str, Any]) -> None:
        try:
            content = parse(Path(path).read_bytes())
        except (OSError, ValueError) as error:
            self._report(f"{path}: not readable, what it held before stays: {error}")
            if path in self._contents:
                contents[path] = self._contents[path]
            return
        for body in content if isinstance(content, list) else [content]:
            if not isinstance(body, dict):
                self._report(f"{path}: holds something that is neither an object nor an array of objects: left out")
                break
        contents[path] = content
