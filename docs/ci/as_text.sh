#!/usr/bin/env bash
# as_text.sh FILE COMMAND…: runs a command whose output quotes a stranger's project, so that GitHub's runner reads no
# workflow command in it. Its standard output goes to FILE, or to the log where that is `-`; it ends as the command does.
set -uo pipefail
file=$1
shift
# Nobody who wrote the project can know the word that lets commands through again.
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
trap 'printf "\n::%s::\n" "$token"' EXIT
printf '::stop-commands::%s\n' "$token"
# One stream for both: the runner reads two side by side, and would take one's lines for earlier than the other's.
if [ "$file" = - ]; then "$@" 2>&1; else "$@" 2>&1 >"$file"; fi
