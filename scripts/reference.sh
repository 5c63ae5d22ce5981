#!/usr/bin/env bash
# The reference of the public API as HTML: from the comments of include/ragtime and the pages of docs. A warning is an error, and
# so is a public name, or a parameter of the C++ API, without a word about it.
# reference.sh [OUT]: the folder to write html/ to, from the repository (build/reference).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh
out=${1:-build/reference}

need_packages doxygen:doxygen python3:python3
scripts/reference_filter.py --check include/ragtime/*.hpp docs/*.md
rm -rf "$out/html" "$out/xml"
mkdir -p "$out"
RAGTIME_REFERENCE=$out doxygen docs/Doxyfile
scripts/reference_complete.py "$out/xml"
rm -rf "$out/xml"
echo "The reference is in $out/html/index.html"
