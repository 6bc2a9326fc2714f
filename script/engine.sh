# shellcheck shell=sh
# Finds, starts or installs a Docker Engine. Sourced by bootstrap.

engine_log=/var/log/dockerd.log
logged=

# ask_engine: sets `engine` to the version of the engine that DOCKER_HOST, the CLI's context or
# the default socket gives, or to the empty word, and `refusal` to why.
ask_engine() {
    engine=
    refusal="there is no docker command"
    have docker || return 0
    engine=$(docker version --format '{{.Server.Version}}' 2>&1) && return 0
    refusal=$engine
    engine=
}

# elsewhere: prints the engine's address if it is not the default socket of this machine.
elsewhere() {
    if have docker; then
        address=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null)
    else
        address=${DOCKER_HOST:-}
    fi
    case $address in
        '' | unix:///var/run/docker.sock | unix:///run/docker.sock) ;;
        *) say "$address" ;;
    esac
}

# what_to_install: prints what a person does where this script does not install an engine.
what_to_install() {
    if [ "$(uname -s)" = Darwin ]; then
        say "Install and start Docker Desktop (docs.docker.com/desktop), or Colima."
    elif on_wsl; then
        say "Install Docker Desktop on Windows and switch on its WSL integration for this" \
            "distribution, or install Docker Engine here (docs.docker.com/engine/install)."
    elif debian_root; then
        say "Install it: apt-get install docker.io, or run script/bootstrap and let it."
    elif have apt-get; then
        say "Install it: sudo apt-get install docker.io, then sudo usermod -aG docker $(id -un)," \
            "and log in again; or install it for you alone (docs.docker.com/engine/security/rootless)."
    else
        say "Install Docker Engine (docs.docker.com/engine/install), or for you alone, without" \
            "root (docs.docker.com/engine/security/rootless)."
    fi
}

on_wsl() {
    grep -qi microsoft /proc/version 2>/dev/null
}

# need_engine: ends the script with exit 3 unless an engine answers, if need be after it was
# started or installed.
need_engine() {
    ask_engine
    if [ -z "$engine" ]; then
        case $refusal in
            *"permission denied"*)
                stop 3 "A Docker Engine is running, but you may not use its socket." \
                    "Run: sudo usermod -aG docker $(id -un). Then log in again and run this again."
                ;;
            *'ontext "'*) # as in: context "x": context not found
                stop 3 "There is no such Docker context: $refusal" \
                    "Unset DOCKER_CONTEXT, or run docker context use default. Then run this again."
                ;;
        esac
        address=$(elsewhere)
        [ -z "$address" ] ||
            stop 3 "No Docker Engine answers at $address, where DOCKER_HOST or your Docker context points." \
                "Start that engine, or choose another one (unset DOCKER_HOST, docker context use default), then run this again."
        have dockerd || install_engine
        have docker || install_cli
        start_engine
    fi
    say "Docker Engine $engine answers.$logged"
}

install_engine() {
    if on_wsl || ! may_install "A Docker Engine"; then
        stop 3 "No Docker Engine answers, and none is installed." "$(what_to_install)" \
            "Then run this again."
    fi
    apt_install "Installing Docker Engine (docker.io)" docker.io iptables ca-certificates
    hash -r
}

# From Debian 13 on the command is a package of its own.
install_cli() {
    may_install "The docker command" ||
        stop 3 "The docker command is missing. Install it (Debian's docker-cli), then run this again."
    apt_install "Installing the docker command (docker-cli)" docker-cli
    hash -r
}

# start_engine: by systemd, else by its init script, else by hand; the first that works.
start_engine() {
    ask_engine
    [ -z "$engine" ] || return 0
    [ "$(id -u)" = 0 ] ||
        stop 3 "A Docker Engine is installed, but it does not run." \
            "Start it (sudo systemctl start docker, or sudo service docker start), then run this again."
    during "Starting Docker Engine" -- try_to_start ||
        stop 3 "Docker Engine does not start. Its own log is $engine_log," \
            "or that of the system's service (journalctl -u docker)."
    ask_engine
}

try_to_start() {
    drop_stale /var/run/docker.pid dockerd
    drop_stale /run/docker/containerd/containerd.pid containerd
    if [ -d /run/systemd/system ] && systemctl start docker; then
        wait_for_engine && return 0
    elif [ -x /etc/init.d/docker ] && service docker start; then
        wait_for_engine && return 0
    fi
    drop_stale /var/run/docker.pid dockerd
    # In a session of its own, so that it outlives this script and its terminal.
    setsid dockerd >>"$engine_log" 2>&1 </dev/null &
    logged=" Its log is $engine_log."
    wait_for_engine && return 0
    tail -n 15 "$engine_log"
    return 1
}

# runs PIDFILE NAME: whether the file's process is there, alive, and is that program.
runs() {
    [ -r "$1" ] || return 1
    case $(readlink "/proc/$(cat "$1")/exe") in
        */"$2" | */"$2 (deleted)") return 0 ;; # deleted: it was upgraded since
        *) return 1 ;;                         # a process that is dead but not collected has no exe
    esac
}

# drop_stale PIDFILE NAME: removes what a killed engine left behind. A new one would refuse to
# start if by chance another program has that process id now.
drop_stale() {
    runs "$1" "$2" || rm -f "$1"
}

# wait_for_engine: until it answers, at most 60 seconds; gives up when after five seconds there
# is no process that could.
wait_for_engine() {
    wait_start=$(date +%s)
    while ask_engine && [ -z "$engine" ]; do
        waited=$(($(date +%s) - wait_start))
        [ "$waited" -lt 60 ] || return 1
        [ "$waited" -lt 5 ] || runs /var/run/docker.pid dockerd || return 1
        sleep 0.2
    done
}
