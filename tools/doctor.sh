#!/usr/bin/env bash
# Checks every requirement and prints one line for each: ok with what was found, or missing with the fix.
# What only one target needs is optional. Changes nothing. Exits 1 if something is missing.
set -euo pipefail

# shellcheck source=tools/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
# shellcheck source=tools/lib/requirements.sh
source "$ROOT/tools/lib/requirements.sh"

# report WORD NAME: prints the line of a requirement, with WORD and the fix where it is not met.
report() {
    if "check_$2"; then
        printf '%-8s %-11s %s\n' ok "${2//_/-}" "$FOUND"
    else
        printf '%-8s %-11s %s; fix: %s\n' "$1" "${2//_/-}" "$FOUND" "$("fix_$2")"
        return 1
    fi
}

missing=0
for name in "${REQUIREMENTS[@]}"; do
    report missing "$name" || missing=$((missing + 1))
done
for name in "${EXTRAS[@]}"; do
    report optional "$name" || true
done

if ((missing > 0)); then
    echo "$missing missing. On Debian and Ubuntu \`make setup\` installs all of it."
    exit 1
fi
