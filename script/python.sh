# shellcheck shell=sh
# Finds or installs a Python that is new enough, and makes .venv with it. Sourced by bootstrap.

# python_is_new FILE: whether it runs, and is Python 3.10 or newer.
python_is_new() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

# find_python: sets `python` to the first new enough one that can make environments, or to the
# empty word; sets `bare_python` to one that could if `venv` were not split off. A Linux
# distribution's own comes first: those that pyenv compiles are often a third slower.
find_python() {
    python=
    bare_python=
    own=
    [ "$(uname -s)" != Linux ] || own=/usr/bin/python3
    for candidate in $own python3 python3.14 python3.13 python3.12 python3.11 python3.10 \
        /opt/homebrew/bin/python3* /usr/local/bin/python3* /usr/bin/python3* \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3; do
        python_is_new "$candidate" || continue
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            python=$candidate
            return
        fi
        bare_python=${bare_python:-$candidate}
    done
}

# python_version FILE: prints "3.11".
python_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# need_python: sets `python`, if need be after installing it, or ends the script with exit 3.
need_python() {
    find_python
    [ -z "$python" ] || return 0
    if [ -n "$bare_python" ]; then
        packages=python$(python_version "$bare_python")-venv
        missing="Python's venv module"
    else
        packages="python3 python3-venv"
        missing="Python 3.10 or newer"
    fi
    if may_install "$missing"; then
        # shellcheck disable=SC2086 # These are several words.
        apt_install "Installing $packages" $packages
        find_python
        [ -z "$python" ] || return 0
        stop 3 "The Python of this release is older than 3.10." \
            "Install a newer one, for example with pyenv, then run this again."
    fi
    case $(uname -s) in
        Darwin) advice="brew install python@3.13, or take an installer from python.org" ;;
        *)
            if debian_root; then
                advice="apt-get install $packages"
            elif have apt-get; then
                advice="sudo apt-get install $packages"
            else
                advice="install Python 3.10 or newer with its venv module and pip"
            fi
            ;;
    esac
    stop 3 "$missing is missing. To get it: $advice." "Then run this again."
}

# need_environment: makes .venv whole, with the packages of requirements.txt.
need_environment() {
    make_environment
    pip_install "Installing the Python packages" requirements.txt
    say "Python $(python_version .venv/bin/python) in .venv has the pinned packages."
}

# make_environment: makes .venv, with pip alone, unless it is there.
make_environment() {
    if ! .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
    then
        need_python
        during "Making .venv with Python $(python_version "$python")" -- \
            "$python" -m venv --clear .venv ||
            stop 3 "The environment could not be created with $python."
    fi
}
