#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Put ONNX Runtime's headers and shared library into FOLDER/include and FOLDER/lib.
#
#   export/embed/cpp/get_onnxruntime.sh FOLDER
#
# The library is the one in PyPI's package of the version in constraints.txt: the same code that cad-detect runs. That
# package has no headers; npm's package of the Unity plug-in has them (in the framework for iOS; they are the same for
# every system). They are those of ONNX Runtime 1.29. Headers may be older than the library: a program asks the library
# for the version of the interface that its headers have, and every later library gives it.
#
# It needs pip (or PYTHON, a Python that has pip), npm, tar, unzip or Python, and sha256sum. Who has a release archive of
# ONNX Runtime needs none of this: its folders have these names.
set -euo pipefail

headers_package=com.github.asus4.onnxruntime
headers_version=0.4.9  # ONNX Runtime 1.29.0
headers_sha256=e59788788818fdde1b2e522e766a21ba0f7d8391de55737abf81e32cc801785d
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
library_version=${ONNXRUNTIME_VERSION:-$(sed -n 's/^onnxruntime==//p' "$root/constraints.txt")}
python=${PYTHON:-python3}

if [ $# -ne 1 ]; then
  echo "usage: $0 FOLDER" >&2
  exit 2
fi
folder=$1
stamp="$headers_package $headers_version, onnxruntime $library_version"
if [ "$(cat "$folder/origin" 2>/dev/null)" = "$stamp" ]; then
  exit 0  # it is there already
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder/include" "$folder/lib"

(cd "$work" && npm pack --silent "$headers_package@$headers_version" >/dev/null)
archive=$work/$headers_package-$headers_version.tgz
echo "$headers_sha256  $archive" | sha256sum --check --quiet
headers=package/Plugins/iOS~/onnxruntime.xcframework/ios-arm64/onnxruntime.framework/Headers
tar -xzf "$archive" -C "$work" "$headers"
cp "$work/$headers"/onnxruntime_*.h "$folder/include/"

"$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$work" "onnxruntime==$library_version"
"$python" - "$work" "$folder" <<'PYTHON'
import re, sys, zipfile
from pathlib import Path

work, folder = map(Path, sys.argv[1:])
(wheel,) = work.glob("onnxruntime-*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if re.fullmatch(r"onnxruntime/capi/libonnxruntime\.so\.[\d.]+", name):
            (folder / "lib" / "libonnxruntime.so.1").write_bytes(archive.read(name))  # the name that programs ask for
        elif name in ("onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt"):
            (folder / Path(name).name).write_bytes(archive.read(name))
PYTHON
ln -sf libonnxruntime.so.1 "$folder/lib/libonnxruntime.so"
echo "$stamp" > "$folder/origin"
echo "ONNX Runtime $library_version is in $folder"
