#!/usr/bin/env bash
# Installs what Telcon needs from Debian, and only what is missing. Rust, Node.js and Python must be installed already.
#
#   scripts/setup.sh run     what `make run` needs
#   scripts/setup.sh test    also what `make test` needs (a browser, namespaces, a TURN server, PostgreSQL, readers of PDF)
#   scripts/setup.sh bench   what `make bench-peers` needs (Janus and coturn)
#
# Everything that is not a system package (npm packages, the speech model, cargo tools) belongs to `cargo xtask`.
set -euo pipefail

readonly purpose=${1:-run}
# `-dev` packages and compilers for the native crates (Opus, CTranslate2 through bindgen), and the demo's speech synthesiser.
packages=(build-essential cmake clang libclang-dev libopus-dev pkg-config git sox espeak-ng)
case "$purpose" in
run) ;;
test) packages+=(chromium fonts-liberation iproute2 coturn openssl postgresql libfaketime
    default-jre-headless libjaxb-java libjaxb-api-java qpdf poppler-utils opus-tools) ;;
bench) packages+=(janus coturn iproute2) ;;
*)
    echo "usage: $0 run|test|bench" >&2
    exit 2
    ;;
esac
# Debian's own Rust with its library sources: builds WebAssembly where rustup cannot fetch that target.
readonly wasm_packages=(rustc-web rust-web-src)

fail() {
    printf '\nsetup: %s\n' "$@" >&2
    exit 1
}

# version_at_least HAVE WANT: compares dotted versions.
version_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

need() { # NAME HAVE WANT HINT
    [ -n "$2" ] || fail "$1 is missing: $4"
    version_at_least "$2" "$3" || fail "$1 $2 is too old, $3 or newer is needed: $4"
}

has_wasm_target() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "these commands need root and sudo is not here. Run as root: $*"
    fi
}

install() {
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "setup: installing ${missing[*]}"
    # Waits for another apt instead of failing on its lock.
    as_root apt-get -o DPkg::Lock::Timeout=600 -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${missing[@]}"
}

need "Rust (cargo)" "$(cargo --version 2>/dev/null | awk '{print $2}')" 1.95 "install it with rustup, https://rustup.rs"
need "Node.js" "$(node --version 2>/dev/null | tr -d v)" 20 "install it from https://nodejs.org"
command -v npm >/dev/null || fail "npm is missing: it comes with Node.js"
need "Python" "$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null)" 3.11 "apt-get install python3 python3-venv"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    if [ "${TELCON_SKIP_PACKAGES:-}" = 1 ]; then
        exit 0
    fi
    fail "this script knows Debian's packages only. Install what corresponds to these, then set TELCON_SKIP_PACKAGES=1:" \
        "  ${packages[*]}" \
        "and the WebAssembly target: rustup target add wasm32-unknown-unknown"
fi

# Debian packages `venv` separately; other Python distributions include it.
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
fresh_services=()
for service in janus coturn postgresql; do
    case " ${packages[*]} " in
    *" $service "*) is_installed "$service" || fresh_services+=("$service") ;;
    esac
done
install "${packages[@]}"
# Debian starts installed services. Tests and benchmarks start their own instances, so the system's ones are disabled.
if [ ${#fresh_services[@]} -gt 0 ] && [ -d /run/systemd/system ]; then
    as_root systemctl disable --now "${fresh_services[@]}"
elif [ ${#fresh_services[@]} -gt 0 ]; then
    for service in "${fresh_services[@]}"; do
        as_root service "$service" stop >/dev/null 2>&1 || true
        as_root update-rc.d "$service" disable >/dev/null 2>&1 || true
    done
fi

if ! has_wasm_target; then
    if command -v rustup >/dev/null && timeout 120 rustup target add wasm32-unknown-unknown >/dev/null 2>&1; then
        echo "setup: added the target wasm32-unknown-unknown with rustup"
    else
        install "${wasm_packages[@]}"
    fi
fi
