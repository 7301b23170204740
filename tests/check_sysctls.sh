#!/usr/bin/env bash
# The README's table of knobs names those that the stack obeys (stack/tcp/sysctl.c), and no others.
# shellcheck disable=SC2016  # backquotes of Markdown
set -u
cd "$(dirname "$0")/.." || exit 2
obeyed=$(grep -oE '"net\.[a-z0-9_.]+"' stack/tcp/sysctl.c | tr -d '"' | sort)
told=$(grep -oE '^\| `net\.[a-z0-9_.]+`' README.md | tr -d '|` ' | sort)
[ -n "$obeyed" ] && diff <(echo "$obeyed") <(echo "$told") && echo "sysctls: fine"
