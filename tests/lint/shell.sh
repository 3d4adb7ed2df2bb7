#!/usr/bin/env bash
# labels: quick
# Every script, as shellcheck sees it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
command -v shellcheck >/dev/null || { echo "skipped: no shellcheck here (cmake/setup.sh installs it on Debian)"; exit 77; }

planted=$(mktemp --suffix=.sh)
trap 'rm -f "$planted"' EXIT
printf '#!/bin/bash\nrm -r %s/*\n' "\$1" >"$planted"
if shellcheck "$planted" >/dev/null; then
  echo "shell: shellcheck did not object to an unquoted variable; are its rules switched off?"
  exit 1
fi

mapfile -t scripts < <(find . \( -path ./build -o -path ./data -o -path ./.git \) -prune -o -name '*.sh' -print | sort)
shellcheck --external-sources "${scripts[@]}" .ci/run
echo "shell: ${#scripts[@]} scripts and .ci/run are clean"
