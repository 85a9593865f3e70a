#!/bin/sh
# Carries a bundle to a machine that has only a GPU driver, and measures there. See gpu-machine.md.
#
#   sh bench/gpuMachine.sh pack [FILE.tar.gz]     here: Node, Dawn, the sources that run without a build, the nano model
#   sh bench/gpuMachine.sh run [RESULTS]          there, in the unpacked folder: tests, tuning, benchmarks, under ten minutes
set -eu
cd "$(dirname "$0")/.."

pack() {
  target=${1:-artefacts/gpu-machine.tar.gz}
  mkdir -p "$(dirname "$target")"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  bundle="$scratch/outrider-gpu"
  mkdir -p "$bundle/node_modules/webgpu/dist" "$bundle/bin"
  # Dawn for this platform only: the package holds five.
  cp node_modules/webgpu/package.json node_modules/webgpu/index.js node_modules/webgpu/LICENSE.md "$bundle/node_modules/webgpu/"
  cp -r "node_modules/webgpu/dist/$(node -p 'process.platform === "darwin" ? "darwin-universal" : process.platform + "-" + process.arch')" "$bundle/node_modules/webgpu/dist/"
  cp "$(node -p 'process.execPath')" "$bundle/bin/node"
  cp package.json tsconfig.json "$bundle/"
  for folder in engine models scripts bench; do
    tar cf - --exclude='*.pt' --exclude=results --exclude=peers/node_modules "$folder" | (cd "$bundle" && tar xf -)
  done
  # The few packages the sources themselves need at run time.
  for package in @huggingface/jinja; do
    mkdir -p "$bundle/node_modules/$(dirname "$package")"
    cp -r "node_modules/$package" "$bundle/node_modules/$package"
  done
  # llama.cpp built for the same GPU, where one was put beside: a folder with llama-bench and its libraries.
  if [ -d "${LLAMA_CPP:-}" ]; then cp -r "$LLAMA_CPP" "$bundle/llama.cpp"; fi
  # libvulkan, because a machine set up for compute often has the driver and not the loader.
  loader=$(ldconfig -p 2>/dev/null | sed -n 's/.*libvulkan.so.1 .*=> //p' | head -n 1)
  if [ -n "$loader" ]; then mkdir -p "$bundle/lib" && cp -L "$loader" "$bundle/lib/libvulkan.so.1"; fi
  tar czf "$target" -C "$scratch" outrider-gpu
  du -h "$target"
}

run() {
  results=${1:-results}
  mkdir -p "$results"
  node=$PWD/bin/node
  [ -x "$node" ] || node=$(command -v node)
  if ! ldconfig -p 2>/dev/null | grep -q libvulkan.so.1 && [ -d lib ]; then export LD_LIBRARY_PATH="$PWD/lib:${LD_LIBRARY_PATH:-}"; fi
  # Each part has its own time, so that one that hangs does not cost the others; ten minutes in all.
  part() {
    seconds=$1
    name=$2
    shift 2
    echo "== $name"
    timeout "$seconds" "$@" >"$results/$name.log" 2>&1 && echo "done" || echo "failed or out of time: $results/$name.log"
    tail -n 20 "$results/$name.log"
  }
  part 20 describe "$node" bench/gpuDescribe.ts
  part 90 check "$node" bench/gpuCheck.ts
  part 60 tuning "$node" bench/gpuTune.ts "$results/gpu-tuning.json"
  tuned="--tuning $results/gpu-tuning.json"
  contexts=${CONTEXTS:-0,8192,65536,524288}
  part 60 nano "$node" bench/gpu.bench.ts $tuned --contexts "${NANO_CONTEXTS:-0,8192}" --out "$results/nano"
  for model in ${MODELS:-}; do part 90 "model-$(basename "$model")" "$node" bench/gpu.bench.ts "$model" $tuned --contexts 0,8192 --out "$results/$(basename "$model")"; done
  for shape in ${SHAPES-scout maverick behemoth}; do
    part 90 "$shape" "$node" bench/gpu.bench.ts --shape "$shape" $tuned ${LAYERS:+--layers "$LAYERS"} --contexts "$contexts" --out "$results/$shape"
  done
  if [ -x llama.cpp/llama-bench ]; then
    for model in ${MODELS:-models/outrider-nano.gguf}; do
      part 60 "llama-bench-$(basename "$model")" llama.cpp/llama-bench -m "$model" -ngl 99 -p 512 -n 128 -o csv
    done
  fi
}

case "${1:-}" in
  pack) shift; pack "$@" ;;
  run) shift; run "$@" ;;
  *) sed -n '2,6p' "$0"; exit 2 ;;
esac
