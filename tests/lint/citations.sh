#!/usr/bin/env bash
# labels: quick
# Sections of docs/reference that comments cite exist: "reference/vmoe §5.3", "reference/nac §1.12, §3-§5, §7.1".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# "vmoe 5.3" for every citation below the given folders; line breaks of comments do not hide one.
cited() {
  grep -rhoE 'reference/(vmoe|nac) §[0-9.]+([,-]? ?§[0-9.]+)*' "$@" |
    awk '{ split($0, part, " "); sub("reference/", "", part[1])
           while (match($0, /§[0-9.]+/)) {
             number = substr($0, RSTART + 1, RLENGTH - 1); sub(/^[^0-9]*/, "", number); sub(/\.$/, "", number)
             print part[1], number; $0 = substr($0, RSTART + RLENGTH) } }' | sort -u
}
missing() {
  while read -r page section; do
    grep -qE "^#+ ${section//./\\.}[. ]" "docs/reference/$page.md" || echo "$page §$section"
  done
}
all=$(cited src include jobs tests docs configs data_prep)
[[ $(wc -l <<<"$all") -gt 20 ]] || { echo "citations: none were found"; exit 1; }
[[ $(missing <<<"vmoe 99.1") == "vmoe §99.1" ]] || { echo "citations: a planted one was not found"; exit 1; }
found=$(missing <<<"$all")
[[ -z $found ]] || { echo "cited and not in docs/reference:"; echo "$found"; exit 1; }
echo "citations: $(wc -l <<<"$all") sections are there"
