#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Put ONNX Runtime's headers and shared library, both of one version, into FOLDER/include and FOLDER/lib.
#
#   export/embed/cpp/get_onnxruntime.sh FOLDER
#
# ONNX Runtime's own packages on npm and PyPI have the library without the headers. The package of its Unity plug-in has
# both: the headers in the framework for iOS (they are the same for every system), the library for Linux x64.
# It needs npm, tar and sha256sum. Who has ONNX Runtime's release archive needs none of this: its folders have these names.
set -euo pipefail

package=com.github.asus4.onnxruntime
version=0.4.9  # ONNX Runtime 1.29.0
sha256=e59788788818fdde1b2e522e766a21ba0f7d8391de55737abf81e32cc801785d

if [ $# -ne 1 ]; then
  echo "usage: $0 FOLDER" >&2
  exit 2
fi
folder=$1
if [ -f "$folder/lib/libonnxruntime.so.1" ] && [ "$(cat "$folder/package" 2>/dev/null)" = "$package $version" ]; then
  exit 0  # it is there already
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "$package@$version" >/dev/null)
archive=$work/$package-$version.tgz
echo "$sha256  $archive" | sha256sum --check --quiet

headers=package/Plugins/iOS~/onnxruntime.xcframework/ios-arm64/onnxruntime.framework/Headers
library=package/Plugins/Linux/x64/libonnxruntime.so
tar -xzf "$archive" -C "$work" "$headers" "$library" package/LICENSE package/ThirdPartyNotices.txt

mkdir -p "$folder/include" "$folder/lib"
cp "$work/$headers"/onnxruntime_*.h "$folder/include/"
cp "$work/$library" "$folder/lib/libonnxruntime.so.1"  # the name that programs linked with it ask for
ln -sf libonnxruntime.so.1 "$folder/lib/libonnxruntime.so"
cp "$work/package/LICENSE" "$work/package/ThirdPartyNotices.txt" "$folder/"
echo "$package $version" > "$folder/package"
echo "ONNX Runtime's headers and library are in $folder"
