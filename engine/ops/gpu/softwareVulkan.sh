#!/bin/sh
# Brings a software Vulkan driver for the GPU tests, on Debian 12. Needs root only where Vulkan's loader is missing.
#
#   sh engine/ops/gpu/softwareVulkan.sh              SwiftShader, taken out of the package chromium-common (32 MB): no f16
#   sh engine/ops/gpu/softwareVulkan.sh lavapipe     Mesa 25 from bookworm-backports (Dawn refuses Debian 12's own 22.3): f16 and
#                                                    subgroups of 8, but minutes to compile a kernel; needs root
#
# SwiftShader is what tests use: it compiles a kernel in 0.2 s where lavapipe's LLVM takes up to a minute on one core.
set -eu
apt="apt-get -o DPkg::Lock::Timeout=500"

if [ "${1:-}" = lavapipe ]; then
  list=/etc/apt/sources.list.d/bookworm-backports.list
  # Backports live on the mirror the machine uses already.
  mirror=$(sed -nE 's/^(URIs:|deb) +(\[[^]]*\] +)?([a-z]+:[^ ]*\/debian)\/?( .*)?$/\3/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || { echo "No Debian mirror is configured: add bookworm-backports by hand." >&2; exit 1; }
  [ -e "$list" ] || echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm-backports main" >"$list"
  $apt update
  DEBIAN_FRONTEND=noninteractive $apt install -y --no-install-recommends -t bookworm-backports mesa-vulkan-drivers libvulkan1
  exit 0
fi

target=$(cd "$(dirname "$0")/../../.." && pwd)/node_modules/.cache/swiftshader
if ! ldconfig -p | grep -q libvulkan.so.1; then
  $apt update
  DEBIAN_FRONTEND=noninteractive $apt install -y --no-install-recommends libvulkan1
fi
if [ -e "$target/vk_swiftshader_icd.json" ] || [ -e /usr/lib/chromium/vk_swiftshader_icd.json ]; then
  echo "SwiftShader is there."
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
(cd "$scratch" && $apt download chromium-common && dpkg-deb -x chromium-common_*.deb unpacked)
mkdir -p "$target"
cp "$scratch"/unpacked/usr/lib/chromium/*vk_swiftshader* "$target"
echo "SwiftShader is in $target."
