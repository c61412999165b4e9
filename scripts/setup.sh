#!/usr/bin/env bash
# Installs what is missing to build Corten on Debian or Ubuntu. Does nothing, quickly, when all of it
# is there.
#
#   scripts/setup.sh            the compiler, CMake, the libraries of the command line and of images
#   scripts/setup.sh --test     what the tests need too: cmocka, and Python packages in build/venv
#   scripts/setup.sh --lint     what .ci/run and the checkers need too: Clang and its tools, Doxygen
#   scripts/setup.sh --docs     Doxygen
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(gcc libc6-dev binutils make cmake ninja-build pkg-config
    libcjson-dev libzip-dev libstb-dev zlib1g-dev)
# Those of the module that decodes images, which is left out of the build where they are missing.
image_packages=(libjpeg-dev libpng-dev libtiff-dev libwebp-dev libopenjp2-7-dev)
test_packages=(libcmocka-dev python3 python3-dev python3-venv)
lint_packages=(clang clang-format clang-tidy libclang-rt-dev doxygen)

wanted=("${build_packages[@]}" "${image_packages[@]}")
python=false
for option in "$@"; do
    case $option in
    --test) wanted+=("${test_packages[@]}") python=true ;;
    --lint) wanted+=("${lint_packages[@]}") ;;
    --docs) wanted+=(doxygen) ;;
    *)
        echo "setup.sh: unknown option '$option'" >&2
        exit 2
        ;;
    esac
done

# The names of those packages that are not there. libclang-rt has its version in its name.
missing_packages() {
    local package installed
    installed=$(dpkg-query -W -f '${db:Status-Abbrev}${binary:Package} ${Provides}\n' 2>/dev/null |
        sed -n 's/^ii *//p' | tr ' ,' '\n\n' | sed 's/:.*//' | sort -u)
    for package in "$@"; do
        if [ "$package" = libclang-rt-dev ]; then
            grep -q '^libclang-rt-.*dev$' <<<"$installed" || echo "$package"
        else
            grep -qx "$package" <<<"$installed" || echo "$package"
        fi
    done
}

# The runtime of the sanitizers and the fuzzer, for the version of Clang that this system has.
name_for_apt() {
    local version
    if [ "$1" = libclang-rt-dev ]; then
        version=$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
        if apt-cache show "libclang-rt-$version-dev" >/dev/null 2>&1; then
            echo "libclang-rt-$version-dev"
        else
            echo "libclang-common-$version-dev"
        fi
    else
        echo "$1"
    fi
}

install_packages() {
    local root=() package names=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "setup.sh: not root and no sudo; please install: $*" >&2
            exit 1
        }
        root=(sudo)
    fi
    echo "setup.sh: installing Debian packages: $*"
    "${root[@]}" apt-get update -qq
    for package in "$@"; do
        names+=("$(name_for_apt "$package")")
    done
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${names[@]}"
}

if command -v dpkg-query >/dev/null; then
    mapfile -t missing < <(missing_packages "${wanted[@]}")
    if [ "${#missing[@]}" -gt 0 ]; then
        install_packages "${missing[@]}"
    fi
else
    echo "setup.sh: not Debian or Ubuntu; Corten needs the equivalents of: ${wanted[*]}" >&2
fi

if $python; then
    requirements=scripts/requirements-test.txt
    venv=build/venv
    if ! cmp -s "$requirements" "$venv/installed.txt"; then
        echo "setup.sh: installing Python packages to $venv: $(grep -v '^#' $requirements | xargs)"
        [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
        cp "$requirements" "$venv/installed.txt"
    fi
fi
