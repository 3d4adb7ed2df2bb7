#!/usr/bin/env bash
# Every fault that tests/faults/equal.txt sets aside is of a line that is still there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python3 - <<'P'
import pathlib, sys
plain = lambda text: " ".join(text.split())
entries = [line for line in pathlib.Path("tests/faults/equal.txt").read_text().splitlines() if line and not line.startswith("#")]
gone = []
for entry in entries:
    name, change = entry.split(": ", 1)
    file = pathlib.Path(name)
    if not file.exists() or plain(change.split(" => ")[0]) not in plain(file.read_text()):
        gone.append(entry[:120])
if gone:
    sys.exit("faults: no such line any more:\n" + "\n".join(gone))
print(f"faults: {len(entries)} lines are there")
P
