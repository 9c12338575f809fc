#!/usr/bin/env bash
# Measures what training, decoding and the probe reach on this machine's GPU: under ten minutes, no network. Without a GPU it
# rehearses the same steps on the CPU with a model of the same architecture and a thousandth of the size.
#
#     benchmarks/gpu.sh OUT
#     MODEL=Qwen/Qwen2.5-VL-7B-Instruct DATASET=ORG/anomreason benchmarks/gpu.sh OUT
#
# OUT gets a file for each step. MODEL and PROCESSOR are directories or Hub ids, DATASET is a built one with the configuration
# deepfake; unless given, the model has random weights of the 7B's shape, and the pictures are rendered scenes.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:?give a directory for the results}
python=${PYTHON:-python}
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/gpu.XXXXXX")
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false

# step NAME SECONDS COMMAND…: its output goes to OUT/NAME.json, its messages to OUT/NAME.log
step() {
    local name=$1 limit=$2 began=$SECONDS
    shift 2
    timeout "$limit" "$@" >"$out/$name.json" 2>"$out/$name.log"
    echo "$name: exit code $?, $((SECONDS - began)) s"
}

if $python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    size=7b steps=20 batches="1 16 64" here=""
else
    size=micro steps=4 batches="1 4"
    here="--use_cpu true --bf16 false --dtype float32 --min_pixels 28224 --max_pixels 28224 --dataloader_num_workers 0"
fi
[ -n "${MODEL:-}" ] || step model 90 $python -m benchmarks.random_model $size "${TMPDIR:-/tmp}/random-$size" ${PROCESSOR:+--processor "$PROCESSOR"}
model=${MODEL:-${TMPDIR:-/tmp}/random-$size}
config=deepfake
if [ -z "${DATASET:-}" ]; then
    config=default
    step scenes 60 $python -m anomreason scenes "$work/scenes" --n 160 --seed 5
    step dataset 60 $python -m anomreason build "$work/scenes" --out "$work/anomreason" --recipe none
fi
data="--model_name_or_path $model --dataset_name ${DATASET:-$work/anomreason} --dataset_config $config"

step training 240 $python -m benchmarks.training --config anomreasonor_7b --steps $steps --gradient_accumulation_steps 2 $data $here
step decoding 120 $python -m benchmarks.predict --model "$model" --decode $batches
[ -n "$here" ] || step probe 120 $python -m anomreason probe --config anomreasonor_7b --compile_layers false --output_dir "$work/probe" $data
# What decides the speed and can be seen on any device: no backward call in the tower, one attention call per layer.
step evidence 120 $python -m pytest -q tests/trainer/test_tower.py tests/trainer/test_decoder.py
for name in training decoding probe; do
    [ -s "$out/$name.json" ] && cat "$out/$name.json"
done
tail -1 "$out/evidence.json"
