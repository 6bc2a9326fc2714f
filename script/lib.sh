# shellcheck shell=sh
# What the scripts beside this file share. It is sourced by them, in the course's folder.

log=instance/bootstrap.log

# say WORDS: one line on standard output.
say() {
    printf '%s\n' "$*"
}

# stop CODE LINE...: ends the script; says why, and what to do.
stop() {
    stop_code=$1
    shift
    printf '%s\n' "$@" >&2
    exit "$stop_code"
}

# have COMMAND: whether there is such a command.
have() {
    command -v "$1" >/dev/null 2>&1
}

# on_terminal: whether somebody sits there who can be asked and shown a bar that moves.
on_terminal() {
    [ -t 0 ] && [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]
}

# during LABEL [STEPS] -- COMMAND...: runs the command with its output in the log and shows one
# line for it: a bar while it runs and its seconds at the end. STEPS is the number of packages
# that pip is to go through. Shows the end of the log and returns the command's code if it fails.
during() {
    during_label=$1
    during_steps=1
    [ "$2" = -- ] || during_steps=$2
    while [ "$1" != -- ]; do shift; done
    shift
    mkdir -p -m 700 instance
    : >"$log"
    during_start=$(date +%s)
    during_bar=
    if on_terminal; then
        draw_bar "$during_label" "$during_steps" "$during_start" &
        during_bar=$!
    else
        printf '%s ...' "$during_label"
    fi
    during_code=0
    "$@" >>"$log" 2>&1 </dev/null || during_code=$?
    if [ -n "$during_bar" ]; then
        kill "$during_bar" 2>/dev/null
        wait "$during_bar" 2>/dev/null || :
        printf '\r\033[K%s ...' "$during_label"
    fi
    if [ "$during_code" = 0 ]; then
        say " done, $(($(date +%s) - during_start)) s"
        return 0
    fi
    say " failed"
    {
        grep -v '^[dp][lm]status:' "$log" | tail -n 15 | sed 's/^/    /'
        say "The whole log is in $(pwd)/$log."
    } >&2
    return "$during_code"
}

# draw_bar LABEL STEPS START: draws the bar of `during` until it is ended, or its script is.
# How far it is stands in the log: apt says it on its status lines, pip by what it names. Where
# the log does not say, a mark moves along the bar.
draw_bar() {
    while kill -0 $$ 2>/dev/null; do
        sleep 0.2
        awk -F: -v label="$1" -v steps="$2" -v seconds=$(($(date +%s) - $3)) '
            $1 == "dlstatus" { share = $3 / 200 }
            $1 == "pmstatus" { share = 0.5 + $3 / 200 }
            /^(Collecting|Requirement already)/ { share = 0.8 * ++seen / steps }
            END {
                for (i = 0; i < 24; i++)
                    bar = bar ((share ? i < share * 24 : i == seconds % 24) ? "#" : ".")
                percent = share ? sprintf("%3d %%", (share < 1 ? share : 1) * 100) : "     "
                printf "\r\033[K%s [%s] %s %3d s", label, bar, percent, seconds
            }' "$log"
    done
}

# debian_root: whether this is root on Debian or Ubuntu, who may install packages.
debian_root() {
    [ "$(id -u)" = 0 ] && have apt-get &&
        grep -Eq '^ID="?(debian|ubuntu)"?$' /etc/os-release 2>/dev/null
}

# may_install WHAT: whether to install it on this system. Asks on a terminal; elsewhere the
# answer is yes. A script that sets allow_install=no rules it out.
may_install() {
    [ "${allow_install:-yes}" = yes ] && debian_root || return 1
    on_terminal || return 0
    printf '%s is missing. Install it now? [Y/n] ' "$1"
    read -r may_answer || return 1
    case $may_answer in
        '' | [Yy]*) return 0 ;;
        *) return 1 ;;
    esac
}

# apt_install LABEL PACKAGE...: installs Debian packages, nothing that they only recommend.
apt_install() {
    apt_label=$1
    shift
    during "$apt_label" -- apt_get "$@" ||
        stop 3 "Installing with apt-get failed: $*." "Fix that, then run this again."
}

apt_get() {
    export DEBIAN_FRONTEND=noninteractive
    dpkg --configure -a &&
        apt_lists &&
        apt-get -q -y -o APT::Status-Fd=1 -o DPkg::Lock::Timeout=120 \
            install --no-install-recommends "$@"
}

# apt_lists: brings the lists of packages up to date, once for this script and those that it calls.
apt_lists() {
    [ -z "${apt_lists_are_new:-}" ] || return 0
    apt-get -q -o Acquire::Retries=2 update || return
    apt_lists_are_new=yes
    export apt_lists_are_new
}

# pip_install LABEL FILE: brings the packages of a requirements file into .venv, unless it did
# so before and the file is the same.
pip_install() {
    cmp -s "$2" ".venv/$2" && return 0
    during "$1" "$(grep -c == "$2")" -- .venv/bin/python -m pip install --no-input \
        --disable-pip-version-check --progress-bar off --require-hashes --no-deps -r "$2" ||
        stop 3 "The Python packages could not be installed." \
            "Is this machine online? Fix that, then run this again."
    cp "$2" ".venv/$2"
}
