#!/usr/bin/env bash
# Prints, as its last line, the folder of a CUDA toolkit, unpacking one where there is none:
#   eng/cuda-toolkit.sh             a compiler: the installed one, or CUDA 12.4 in the user's cache (1.2 GB of download, once)
#   eng/cuda-toolkit.sh --headers   the headers of CUDA 12.4 that the bindings are generated from (5 MB, once)
#   eng/cuda-toolkit.sh --cached    the compiler as far as it is there already; downloads nothing
# Nothing is installed: Debian's packages are downloaded with apt's own settings, from the mirror that the machine uses
# anyway, and unpacked. Where that cannot be done, one line says why.
set -euo pipefail

version=12.4
cache=${XDG_CACHE_HOME:-$HOME/.cache}/aios
compiler=$cache/cuda-$version
headers=$compiler-headers
fail() {
  echo "CUDA toolkit: $*" >&2
  exit 1
}

mode=${1:-}
[[ $mode =~ ^(|--headers|--cached)$ && $# -le 1 ]] || fail "usage: $0 [--headers|--cached]"
if [ "$mode" = --headers ]; then
  target=$headers
  for folder in "$compiler" "$headers"; do
    [ ! -d "$folder" ] || { echo "$folder"; exit 0; }
  done
else
  target=$compiler
  installed=$(command -v nvcc || true)
  for folder in "${CUDA_HOME:-}" ${installed:+"$(dirname "$(dirname "$(readlink -f "$installed")")")"} /usr/local/cuda "$compiler"; do
    [ ! -x "$folder/bin/nvcc" ] || [ ! -e "$folder/include/cuda.h" ] || { echo "$folder"; exit 0; }
  done
  [ "$mode" != --cached ] || fail "there is none; eng/cuda-toolkit.sh unpacks one"
fi

command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "it is unpacked from Debian's packages, and this machine has no apt"
mkdir -p "$cache"
work=$(mktemp -d "$cache/unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
mirror=$(apt-get indextargets 'Created-By: Packages' --format '$(REPO_URI)' | grep -m 1 -E '/debian/?$' || true)
[ -n "$mirror" ] || fail "apt's sources name no mirror of Debian"
mkdir -p "$work"/{lists/partial,archives/partial,prefix}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror trixie main contrib non-free" >"$work/sources.list"
apt() {
  apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$work/lists" \
    -o Dir::Cache="$work" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o APT::Sandbox::User=root "$@"
}
apt update >&2 || fail "the package lists of $mirror could not be downloaded"

# Takes files out of a package: what is below usr/include, and what else is named.
unpack() { # package, pattern...
  dpkg --fsys-tarfile "$work/$1"_*.deb 2>/dev/null | tar -x -C "$work/prefix" --no-same-owner --wildcards "${@:2}" 2>/dev/null || true
  rm -f "$work/$1"_*.deb
}
download() {
  (cd "$work" && apt download "$@" >&2) || fail "$* could not be downloaded"
}

if [ "$mode" = --headers ]; then
  # Headers come first in a package, so that the beginning of one of 900 MB has them all. It cannot be checked against
  # the archive's signature then, which is why nothing of it is ever run: what is generated from it is compared.
  for package in nvidia-cuda-dev libcupti-dev; do
    uri=$(cd "$work" && apt --print-uris download "$package" | cut -d "'" -f 2)
    curl -fsSL --range 0-4194303 -o "$work/${package}_begin.deb" "$uri" || download "$package"
  done
  download libnvidia-ml-dev libcu++-dev
  for package in nvidia-cuda-dev libcupti-dev libnvidia-ml-dev libcu++-dev; do
    unpack "$package" './usr/include/*'
  done
  mv "$work/prefix/usr/include" "$work/prefix/include"
else
  download nvidia-cuda-toolkit nvidia-cuda-dev libnvvm4 libcudart12 libnvrtc12 libnvrtc-builtins12.4 libcu++-dev libcub-dev \
    libthrust-dev libnccl-dev libnvidia-ml-dev libcupti-dev
  unpack nvidia-cuda-toolkit './usr/bin/*' './usr/include/*' './usr/lib/nvidia-cuda-toolkit/*'
  unpack nvidia-cuda-dev './usr/include/*' '*/libcudart_static.a' '*/libcudadevrt.a' '*/stubs/*'
  for package in libnvvm4 libcudart12 libnvrtc12 libnvrtc-builtins12.4; do
    unpack "$package" './usr/lib/*.so*'
  done
  for package in libcu++-dev libcub-dev libthrust-dev libnccl-dev libnvidia-ml-dev libcupti-dev; do
    unpack "$package" './usr/include/*'
  done

  # NVIDIA's own arrangement, in which nvcc finds everything relative to itself.
  cd "$work/prefix"
  mv usr/include include
  mv usr/bin bin
  mv -f usr/lib/nvidia-cuda-toolkit/bin/{nvcc,crt} bin
  mkdir -p nvvm/bin lib64
  mv usr/lib/nvidia-cuda-toolkit/bin/cicc nvvm/bin
  mv usr/lib/nvidia-cuda-toolkit/libdevice nvvm/libdevice
  [ ! -d usr/lib/nvidia-cuda-toolkit/compute-sanitizer ] || mv usr/lib/nvidia-cuda-toolkit/compute-sanitizer compute-sanitizer
  mv usr/lib/*-linux-gnu*/* lib64
  rm -f bin/compute-sanitizer
  cat >bin/nvcc.profile <<'PROFILE'
TOP = $(_HERE_)/..
CICC_PATH = $(TOP)/nvvm/bin
NVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice
PATH += $(CICC_PATH):$(_HERE_):
INCLUDES += "-I$(TOP)/include" $(_SPACE_)
LIBRARIES =+ $(_SPACE_) "-L$(TOP)/lib64"
PROFILE
fi
rm -rf "$work/prefix/usr"

# What is missing would otherwise be found by whoever uses it.
needed=(include/{cuda,nvrtc,nvJitLink,cublas_v2,cublasLt,nvml,cupti}.h include/nv/target)
[ "$mode" = --headers ] || needed+=(bin/{nvcc,ptxas,fatbinary,cudafe++,nvlink,cuobjdump,nvdisasm} bin/crt/link.stub nvvm/bin/cicc
  nvvm/libdevice/libdevice.10.bc include/{cuda_runtime,nccl}.h lib64/{libcudart_static.a,libcudadevrt.a,libnvrtc.so.12})
for file in "${needed[@]}"; do
  [ -e "$work/prefix/$file" ] || fail "the packages of $mirror hold no $file"
done

# Whoever comes second finds the folder of the first.
mv -T "$work/prefix" "$target" 2>/dev/null || [ -d "$target" ] || fail "$target could not be written"
echo "$target"
