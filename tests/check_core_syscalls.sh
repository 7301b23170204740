#!/bin/bash
# The core (stack/ without stack/link) makes no system call, reads no clock, allocates nothing, and
# has no global that can be written (DESIGN.md D1): every symbol that its objects need from outside
# must be on the list below, and no object may have a .data, .bss, .tdata, or .tbss.
#
# Compiles the core by itself, so that it does not matter how the tree was last built (sanitizers
# bring symbols of their own). Prints one line for each violation, and exits 1 if there is one.
#
# MD5*: libmd's, linked in from its archive; they work on what they are given and nothing else.
set -u
cd "$(dirname "$0")/.." || exit 2

allowed=" memchr memcmp memcpy memmove memset strchr strcmp strlen strncmp strnlen strrchr
 snprintf vsnprintf __assert_fail __stack_chk_fail _GLOBAL_OFFSET_TABLE_ MD5Final MD5Init MD5Update "
allowed=${allowed//$'\n'/ }
layers="base wire net tcp sock"
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
bad=0

sources=(stack/*.c)
for layer in $layers; do
    sources+=(stack/"$layer"/*.c)
done
# shellcheck disable=SC2016  # the inner shell expands them
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -I{} sh -c '
    "${CC:-cc}" -std=gnu17 -O1 -fPIC -D_GNU_SOURCE -I. -c "$1" \
        -o "$2/$(echo "$1" | tr / :).o" || { echo "$1: does not compile"; exit 255; }' _ {} "$dir" ||
    exit 1

# What the core defines itself.
defined=$(cd "$dir" && nm --defined-only -g -f posix ./*.o | awk 'NF >= 3 {print $1}' | sort -u)

for object in "$dir"/*.o; do
    source=$(basename "$object" .o | tr : /)
    while read -r symbol; do
        [[ $allowed == *" $symbol "* ]] || grep -qxF "$symbol" <<<"$defined" || {
            echo "$source: needs $symbol, which the core may not use"
            bad=1
        }
    done < <(nm -u -f posix "$object" | awk '{print $1}')
    # .data.rel.ro is constant after relocation, and is let pass.
    while read -r section size; do
        echo "$source: has $((16#$size)) bytes of $section: a global that can be written"
        bad=1
    done < <(objdump -h "$object" |
        awk '$2 ~ /^\.(data|bss|tdata|tbss)(\.|$)/ && $2 !~ /^\.data\.rel\.ro/ && $3 !~ /^0+$/ {
            print $2, $3}')
done

[ "$bad" = 0 ] && echo "core: no system call, no writable global"
exit "$bad"
