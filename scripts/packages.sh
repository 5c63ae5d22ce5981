# Sourced by the scripts beside it: makes sure that what a build needs is there.
# On Debian and its relatives missing packages are installed when run as root; otherwise the command to run is printed.

# present COMMAND|HEADER: is it on PATH, or found by the compiler?
present() {
  case "$1" in
    *.h | *.hpp) echo "#include <$1>" | c++ -std=c++20 -E -x c++ - >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

# need_packages PACKAGE:WHAT_IT_GIVES ...
need_packages() {
  local pair missing=()
  for pair in "$@"; do
    present "${pair#*:}" || missing+=("${pair%%:*}")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing ${missing[*]}"
    # A list that cannot be renewed may still be good enough; the installation below is what counts.
    apt-get update -qq || echo "apt-get update failed; going on with the package lists that are there" >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || exit 1
    for pair in "$@"; do
      present "${pair#*:}" && continue
      echo "error: ${pair#*:} is still missing after installing ${pair%%:*}" >&2
      exit 1
    done
    return 0
  fi
  echo "error: this needs packages that are not installed. As root, run:" >&2
  echo "  apt-get update && apt-get install -y ${missing[*]}" >&2
  echo "(the names are Debian's; elsewhere, install what gives: $(printf '%s ' "$@"))" >&2
  exit 1
}

# What the library and the tool are built with.
need_build_packages() {
  need_packages g++:c++ make:make cmake:cmake
  need_packages nlohmann-json3-dev:nlohmann/json.hpp libcli11-dev:CLI/CLI.hpp zlib1g-dev:zlib.h
}
