#!/bin/bash
# Includes point one way: base <- wire <- net <- tcp <- sock <- stack.c <- shim; the link is seen by
# stack.c, shim, tests, and bench only (DESIGN.md §3). A header named *_internal.h stays within its
# folder. The core takes no system header but those listed here.
#
# Prints one line for each violation, and exits 1 if there is one.
set -u
cd "$(dirname "$0")/.." || exit 2

declare -A may=(
    [base]="base"
    [wire]="base wire"
    [link]="base wire link"
    [net]="base wire net"
    [tcp]="base wire net tcp"
    [sock]="base wire net tcp sock"
    [top]="base wire net tcp sock link" # stack/*.c, stack/*.h
)
core_headers=" assert.h bsd/sys/tree.h errno.h limits.h linux/errqueue.h linux/inet_diag.h linux/net_tstamp.h
 linux/sockios.h linux/tcp.h
 md5.h netinet/in.h netinet/tcp.h
 poll.h sanitizer/asan_interface.h signal.h
 stdarg.h stdbool.h stddef.h stdint.h stdio.h string.h sys/epoll.h sys/ioctl.h sys/queue.h
 sys/socket.h sys/time.h sys/types.h sys/uio.h time.h "
core_headers=${core_headers//$'\n'/ }
bad=0

complain() { # file:line what
    echo "$1: $2"
    bad=1
}

# One include of a file in stack/; $4 is what stands between the quotes or angle brackets.
check_stack() { # where layer style target
    local where=$1 layer=$2 style=$3 target=$4 folder
    if [ "$style" = '<' ]; then
        [ "$layer" = link ] && return # it speaks to the kernel, and may take what it needs
        [[ $core_headers == *" $target "* ]] ||
            complain "$where" "$layer may not include <$target> (see core_headers in $0)"
        return
    fi
    case $target in
    stack/*/*) folder=${target#stack/} folder=${folder%%/*} ;;
    stack/stack.h) folder=top ;;
    *)
        complain "$where" "\"$target\": includes are written from the root, as \"stack/…\""
        return
        ;;
    esac
    if [ "$folder" = top ]; then
        [ "$layer" = top ] || complain "$where" "$layer may not include $target, which is above it"
    elif [[ " ${may[$layer]} " != *" $folder "* ]]; then
        complain "$where" "$layer may not include $target"
    fi
    [[ $target == *_internal.h && $folder != "$layer" ]] &&
        complain "$where" "$target is for stack/$folder only"
}

# shim and bench see the public headers of everything below.
check_shim() { # where style target
    [ "$2" = '"' ] || return
    case $3 in
    *_internal.h) complain "$1" "$3 is internal to its folder" ;;
    shim/* | stack/* | bench/*) ;;
    *) complain "$1" "\"$3\": includes are written from the root" ;;
    esac
}

while IFS=: read -r file line text; do
    style='"' target=${text#*\"} target=${target%%\"*}
    if [[ $text == *"<"* ]]; then
        style='<' target=${text#*<} target=${target%%>*}
    fi
    case $file in
    stack/*/*)
        layer=${file#stack/}
        check_stack "$file:$line" "${layer%%/*}" "$style" "$target"
        ;;
    stack/*) check_stack "$file:$line" top "$style" "$target" ;;
    *) check_shim "$file:$line" "$style" "$target" ;;
    esac
done < <(grep -rnE --include='*.c' --include='*.h' '^[[:space:]]*#[[:space:]]*include' stack shim bench)

[ "$bad" = 0 ] && echo "includes: fine"
exit "$bad"
