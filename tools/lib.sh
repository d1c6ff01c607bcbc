# SPDX-License-Identifier: Apache-2.0
# lib.sh - what the scripts of this folder share.  Sourced by bash; leaves the
# shell in the project's top folder.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$TOP" || exit 1

# The project's own files, one per line: git's list, or the whole tree without
# what is built when this is no checkout (or git is not there).
list_files() {
	if [ -e .git ] && git ls-files -- . >/dev/null 2>&1; then
		git ls-files -co --exclude-standard -- "$@" |
			while IFS= read -r f; do [ -f "$f" ] && echo "$f"; done
		return
	fi
	find . -path ./build -prune -o -path ./.git -prune -o -type f -print |
		sed 's|^\./||' | sort |
		while IFS= read -r f; do
			[ $# -eq 0 ] && { echo "$f"; continue; }
			for pattern in "$@"; do
				# shellcheck disable=SC2254
				case "$f" in $pattern) echo "$f"; break ;; esac
			done
		done
}

# need_deps [--long]: makes what is missing present: tools, headers, libraries.
need_deps() {
	"$TOP/tools/install-deps" "$@" || exit 1
}

# How many compilers and tests run at once.
jobs_count() {
	nproc 2>/dev/null || echo 2
}
