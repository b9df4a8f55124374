#!/usr/bin/env bash
# Makes the portable bundle, out/aios-linux-x64.tar.gz: the native libraries, the command, the tests, the .NET runtime and the
# sources of the kernels, for x86-64 machines with no .NET SDK and no network (docs/gpu-ci.md). Builds what is out of date.
set -euo pipefail
cd "$(dirname "$0")/.."
name=aios-linux-x64 limit=$((60 * 1024 * 1024))
fail() {
  echo "error: $*" >&2
  exit 1
}

if eng/cuda-toolkit.sh --cached >/dev/null 2>&1; then
  eng/build-native.sh cuda
else
  echo "libaios_cuda.so is left out: there is no CUDA toolkit here (eng/cuda-toolkit.sh); rebuild-kernels.sh builds it where there is one" >&2
fi
dotnet build -c Release AiOs.Native.sln -v quiet -nologo

stage=out/$name
rm -rf "$stage" "out/$name.tar.gz"
mkdir -p "$stage"/{app,src}
take() { # folder of built files: what is needed to run them; all share one copy of what they have in common
  local target=$PWD/$stage/app
  (cd "$1" && find . -maxdepth 2 \( -name '*.dll' -o -name '*.pdb' -o -name '*.so' -o -name '*.json' -o -name aios \) ! -name '*.resources.dll' \
    -exec cp --parents -t "$target" {} +)
}
take managed/AiOs.Cli/bin/Release/net10.0
# The other suites read the repository.
for project in tests/conformance/AiOs.Conformance tests/unit/AiOs.{Bench,Cli,Models,Runtime,Tensors,Training}.Tests; do
  [ -d "$project/bin/Release/net10.0" ] || fail "$project was not built"
  take "$project/bin/Release/net10.0"
  basename "$project" >>"$stage/app/suites"
done

# The shared runtime of this machine's SDK, without what only debuggers load.
runtime=$(dotnet --list-runtimes | sed -n 's/^Microsoft\.NETCore\.App \(10\.[^ ]*\) \[\(.*\)\]$/\2 \1/p' | tail -n 1)
[ -n "$runtime" ] || fail "dotnet lists no runtime of .NET 10"
shared=${runtime% *} version=${runtime##* } root=${runtime%/shared/*}
mkdir -p "$stage/dotnet/shared/Microsoft.NETCore.App" "$stage/dotnet/host/fxr"
cp "$root/dotnet" "$stage/dotnet/"
cp "$root"/{LICENSE,ThirdPartyNotices}.txt "$stage/dotnet/" 2>/dev/null || true
cp -r "$root/host/fxr/$version" "$stage/dotnet/host/fxr/"
cp -r "$shared/$version" "$stage/dotnet/shared/Microsoft.NETCore.App/"
rm -f "$stage/dotnet/shared/Microsoft.NETCore.App/$version"/{libmscordaccore.so,libmscordbi.so,createdump}

cp -r native kernels CMakeLists.txt CMakePresets.json "$stage/src/"
mkdir -p "$stage/src"/{eng,tests,bench}
cp -r eng/{cuda-toolkit.sh,prove.sh,prove} "$stage/src/eng/"
cp -r tests/golden "$stage/src/tests/"
cp -r bench/{native,peers,shapes} "$stage/src/bench/"
ln -s src/eng/prove.sh "$stage/prove.sh"
cp eng/bundle/* docs/gpu-ci.md LICENSE "$stage/" 2>/dev/null || fail "a file of eng/bundle is missing"
git rev-parse HEAD >"$stage/revision" 2>/dev/null || true

tar -c -C out --owner=0 --group=0 "$name" | gzip -9 >"out/$name.tar.gz"
size=$(stat -c %s "out/$name.tar.gz")
[ "$size" -le "$limit" ] || fail "out/$name.tar.gz has $size bytes, more than the $limit that are allowed"
echo "out/$name.tar.gz: $((size / 1024 / 1024)) MiB"
