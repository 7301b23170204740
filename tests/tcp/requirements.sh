#!/usr/bin/env bash
# Makes tests/tcp/REQUIREMENTS.md: each requirement of requirements.txt with the tests that name it.
#
#   tests/tcp/requirements.sh            writes it
#   tests/tcp/requirements.sh --check    says whether it is up to date, and complete
set -u
cd "$(dirname "$0")/../.." || exit 2
OUT=tests/tcp/REQUIREMENTS.md

make_table() {
    grep -oHE '^Test\([a-z0-9_]+, *[a-z0-9_]+' tests/tcp/*.c tests/unit/*.c tests/sim/*.c |
        awk -v scripts="$(cat tests/tcp/*.c | grep -cE '^Test\(')" '
        # "file:Test(suite, name" → every number in the name gets "suite/name".
        FNR == NR {
            sub(/:Test\(/, " "); sub(/, */, "/")
            split($2, part, "/")
            n = split(part[2], word, "_")
            for (i = 1; i <= n; i++)
                if (word[i] ~ /^(must|shld|rfc|v)[0-9]+$/ && !((word[i], $2) in seen)) {
                    seen[word[i], $2] = 1
                    tests[word[i]] = tests[word[i]] (tests[word[i]] == "" ? "" : ", ") "`" $2 "`"
                }
            next
        }
        /^#/ || /^$/ { next }
        /^= / {
            if (rows != "") print ""
            printf "## %s\n\n| number | what | tests | |\n|-|-|-|-|\n", substr($0, 3)
            rows = "some"
            next
        }
        {
            split($0, col, / *\| */)
            key = tolower(col[1]); gsub(/[- ]/, "", key)
            how = tests[key] != "" ? "pass" : col[3] != "" ? "deviation" : "NO TEST"
            if (col[3] != "") how = "deviation: " col[3]
            printf "| %s | %s | %s | %s |\n", col[1], col[2], tests[key], how
            total++; if (how == "pass") passed++; else if (how != "NO TEST") otherwise++; else bare++
        }
        END {
            printf "\n%d requirements: %d with tests, %d deviations, %d with neither. ", total, passed,
                otherwise, bare
            printf "%d scripts in tests/tcp.\n", scripts
        }' - tests/tcp/requirements.txt
}

table() {
    echo "# Requirements, and the tests that name them"
    echo
    echo "Made by tests/tcp/requirements.sh of requirements.txt and the names of the tests. \"pass\": the"
    echo "tests run in CI, which is red when one fails. Deviations from the RFCs in detail:"
    echo "stack/tcp/DEVIATIONS.md."
    echo
    make_table
}

if [ "${1:-}" != --check ]; then
    table >"$OUT"
    tail -n 1 "$OUT"
    exit
fi
if grep 'NO TEST' "$OUT"; then exit 1; fi
diff -u "$OUT" <(table) && echo "requirements: $(tail -n 1 "$OUT")"
