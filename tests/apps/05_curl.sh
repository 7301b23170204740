#!/usr/bin/env bash
# Point 5: curl fetches a 100 MiB file from `python3 -m http.server`, byte for byte; 50 curls at once.
. "$(dirname "$0")/../lib/apps.sh"

serve() { # bytes
    need curl curl
    need "$PY" python3
    mkdir "$T/www"
    stream "$1" >"$T/www/file"
    spawn server "${SERVER[@]}" "$PY" -m http.server --directory "$T/www" 8000
    heard server.out "Serving HTTP on"
}

case_large() {
    serve 104857600
    "${CLIENT[@]}" curl -sS -o "$T/got" "http://$ADDR:8000/file" || fail "curl: status $?"
    cmp "$T/www/file" "$T/got" || fail "other bytes arrived"
}

case_headers() {
    serve 1000
    "${CLIENT[@]}" curl -sSI "http://$ADDR:8000/file" >"$T/head" || fail "curl -I: status $?"
    grep -q "^Content-Length: 1000" "$T/head" || fail "no Content-Length"
    [ "$("${CLIENT[@]}" curl -s -o "$T/got" -w '%{http_code}' "http://$ADDR:8000/none")" = 404 ] ||
        fail "not 404"
    "${CLIENT[@]}" curl -sS "http://$ADDR:8001/" 2>"$T/refused"
    [ $? = 7 ] || fail "a closed port is not curl's status 7"
}

case_fifty() {
    local i
    serve 1000000
    for i in $(seq 50); do
        OUT=$T/got$i spawn "curl$i" "${CLIENT[@]}" curl -sS "http://$ADDR:8000/file"
    done
    for i in $(seq 50); do
        ends "curl$i" 0 60
        cmp "$T/www/file" "$T/got$i" || fail "other bytes arrived at curl $i"
    done
}

# One process, 20 connections on its own poll loop.
case_parallel() {
    local i urls=()
    serve 1000000
    for i in $(seq 20); do urls+=(-o "$T/got$i" "http://$ADDR:8000/file"); done
    "${CLIENT[@]}" curl -sS --no-progress-meter --parallel --parallel-immediate --parallel-max 20 \
        "${urls[@]}" 2>"$T/curl.err" || fail "curl: status $?"
    for i in $(seq 20); do cmp "$T/www/file" "$T/got$i" || fail "other bytes in $i"; done
}

run_cases "$@" <<'END'
large     all  60
headers   all  30
fifty     all  90  alone
parallel  all  60
END
