#!/usr/bin/env bash
# Runs the tests of this bundle: run-tests.sh [--backend NAME] [SUITE...] [-- OPTIONS OF xUnit]
#   --backend cuda         tests that choose no backend themselves run on it, and it is an error when it is not there
#   SUITE                  the suites to run, of those that app/suites lists; all without any
#   -- -class '*Gemm*'     only these tests
# Writes results/SUITE.xml (JUnit). Exits with 1 when a test failed, 2 when the command line is wrong.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
export DOTNET_ROOT=$PWD/dotnet # for the commands that tests start
suites=() options=()
while [ $# -gt 0 ]; do
  case $1 in
    --backend) export AIOS_BACKEND=${2:?--backend needs the name of a backend}; shift 2 ;;
    --) options=("${@:2}"); break ;;
    -*) sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    *) suites+=("$1"); shift ;;
  esac
done
[ ${#suites[@]} -gt 0 ] || mapfile -t suites <app/suites
if [ -n "${AIOS_BACKEND:-}" ] &&
  ! ./aios devices --json | tr -d ' \n' | grep -qF "\"name\":\"$AIOS_BACKEND\",\"available\":true"; then
  ./aios doctor
  echo "error: there is no device of the backend $AIOS_BACKEND; what aios doctor says above tells why" >&2
  exit 1
fi

mkdir -p results
failed=()
for suite in "${suites[@]}"; do
  [ -e "app/$suite.dll" ] || { echo "error: there is no suite $suite; app/suites lists them" >&2; exit 2; }
  echo "== $suite"
  dotnet/dotnet "app/$suite.dll" -noColor -noLogo -jUnit "results/$suite.xml" "${options[@]}" || failed+=("$suite")
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
echo "suites passed: ${#suites[@]}"
