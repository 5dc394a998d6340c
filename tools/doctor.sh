#!/usr/bin/env bash
# Checks every requirement and prints one line for each: ok with what was found, or missing with the fix.
# Changes nothing. Exits 1 if something is missing.
set -euo pipefail

# shellcheck source=tools/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
# shellcheck source=tools/lib/requirements.sh
source "$ROOT/tools/lib/requirements.sh"

missing=0
for name in "${REQUIREMENTS[@]}"; do
    if "check_$name"; then
        printf 'ok       %-11s %s\n' "${name//_/-}" "$FOUND"
    else
        printf 'missing  %-11s %s; fix: %s\n' "${name//_/-}" "$FOUND" "$("fix_$name")"
        missing=$((missing + 1))
    fi
done

if ((missing > 0)); then
    echo "$missing missing. On Debian and Ubuntu \`make setup\` installs all of it."
    exit 1
fi
