#!/usr/bin/env bash
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
#
# verdicts.sh FF1_VECTORS FILE: the checker itself can fail. Spoils good vectors of FILE one way after the
# other and demands the exit status and the counts that follow.
set -euo pipefail
program=$1
good=$(head -n 1 "$2")
file=$(mktemp)
trap 'rm -f "$file"' EXIT
key=2b7e151628aed2a6abf7158809cf4f3c
bad=0

# expect STATUS PATTERN LINE: the line as a file must end so and print something like this.
expect() {
    local status=0 output
    printf '%s\n' "$3" >"$file"
    output=$("$program" "$file" 2>&1) || status=$?
    if [ "$status" != "$1" ] || [[ $output != *$2* ]]; then
        printf 'expected status %s and "%s", got %s: %s\n  for: %s\n' "$1" "$2" "$status" "$output" "$3"
        bad=1
    fi
}
# of KEY TWEAK RADIX PLAIN CIPHER MARK
of() { printf 'id\t%s\t%s\t%s\t%s\t%s\t%s' "$@"; }
digits=0,1,2,3,4,5,6,7,8,9
sealed=2,4,3,3,4,7,7,4,8,4

expect 0 'agreed 1 refused 0 wrong 0' "$good"
expect 0 'agreed 1 refused 0 wrong 0' "$(of $key - 10 $digits $sealed valid)"$'\r'
expect 0 'agreed 1 refused 0 wrong 0' "# a comment"$'\n\n'"$good"
expect 1 'agreed 0 refused 0 wrong 1' "$(of $key - 10 $digits 2,4,3,3,4,7,7,4,8,5 valid)"
expect 1 'wrong 1' "$(of $key 00 10 $digits $sealed valid)"
expect 1 'wrong 1' "$(of $key - 11 $digits $sealed valid)"
expect 1 'wrong 1' "$(of $key - 10 $digits 2,4,3,3,4,7,7,4,8 valid)"
expect 1 'wrong 1' "$(of $key - 10 $digits '' valid)"
expect 1 'wrong 1' "$(of $key - 10 $digits $sealed invalid)"
expect 1 'wrong 1' "$(of $key - 10 $digits '' invalid)"
expect 1 'wrong 1' "$(of $key - 10 0,1,2,3,4,5,6,7,8,10 $sealed valid)"
expect 1 'wrong 1' "$(of ${key}00 - 10 $digits $sealed valid)"
expect 1 'agreed 1 refused 0 wrong 1' "$good"$'\n'"$(of $key - 10 $sealed $digits valid)"
# What must be refused, and is.
expect 0 'agreed 0 refused 1 wrong 0' "$(of $key - 10 0,1,2,3,4,5,6,7,8,10 $sealed invalid)"
expect 0 'refused 1' "$(of $key - 10 $digits 2,4,3,3,4,7,7,4,8,10 invalid)"
expect 0 'refused 1' "$(of $key - 10 0,1,2,3,4,5,6,7,8,-1 $sealed invalid)"
expect 0 'refused 1' "$(of $key - 65536 0,1,65536 0,1,2 invalid)"
expect 0 'refused 1' "$(of $key - 10 0,1,2,3,4,5,6,7,8,99999999999999999999999999 $sealed invalid)"
expect 0 'refused 1' "$(of $key - 1 $digits $sealed invalid)"
expect 0 'refused 1' "$(of $key - 0 $digits $sealed invalid)"
expect 0 'refused 1' "$(of $key - 65537 $digits $sealed invalid)"
expect 0 'refused 1' "$(of $key - 4294967306 $digits $sealed invalid)"
expect 0 'refused 1' "$(of ${key}00 - 10 $digits $sealed invalid)"
expect 0 'refused 1' "$(of $key - 10 '' '' invalid)"
expect 0 'refused 1' "$(of $key - 65536 7 7 invalid)"
expect 0 'refused 1' "$(of $key - 10 0,1,2,3,4 0,1,2,3,4 valid)"
# What is no vector at all.
expect 2 ":2: " "$good"$'\n'"id	$key	-	10	$digits	$sealed"
expect 2 ":1: " "$(of $key - 10 $digits $sealed valid)"$'\tmore'
expect 2 ":1: " "$(of $key - 10 $digits $sealed perhaps)"
expect 2 ":1: " "$(of ${key}0 - 10 $digits $sealed valid)"
expect 2 ":1: " "$(of ${key}zz - 10 $digits $sealed valid)"
expect 2 ":1: " "$(of $key 0 10 $digits $sealed valid)"
expect 2 ":1: " "$(of $key - ten $digits $sealed valid)"
expect 2 ":1: " "$(of $key - '' $digits $sealed valid)"
expect 2 ":1: " "$(of $key - 10 0,,1 $sealed valid)"
expect 2 ":1: " "$(of $key - 10 0,1, $sealed valid)"
expect 2 ":1: " "$(of $key - 10 $digits 0x1 valid)"
expect 2 "no vectors" "# nothing"
exit $bad
