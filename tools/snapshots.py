"""Writes what each sample of infra/ deploys to tests/infra/snapshots/, to be reviewed like code.

Run by `make snapshots`. Needs the Bicep compiler: as BICEP, or as bicep on PATH. `--check` writes nothing and exits 1
where a file differs.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import bicep, infra  # noqa: E402


def main(arguments: list[str]) -> int:
    """0 where everything is up to date or was written, 1 where `--check` found a difference, 2 without a compiler."""
    if bicep.what_is_missing():
        print(bicep.what_is_missing(), file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        wanted = {
            infra.snapshot_file(sample): infra.text_of(infra.expand(sample, Path(folder))) for sample in infra.samples()
        }
    stale = [path for path in infra.SNAPSHOTS.glob("*.json") if path not in wanted]
    changed = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in (*changed, *stale):
            print(f"{path.relative_to(ROOT)} is not up to date: run `make snapshots`", file=sys.stderr)
        return int(bool(changed or stale))
    infra.SNAPSHOTS.mkdir(parents=True, exist_ok=True)
    for path in changed:
        path.write_text(wanted[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    for path in stale:
        path.unlink()
        print(f"removed {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
