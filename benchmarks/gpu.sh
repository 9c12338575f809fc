#!/usr/bin/env bash
# Measures what training, decoding and the Space reach on this machine's GPU, without network: the most important step first, each with
# a time limit, so that whatever time there is gives the figures that matter most. Without a GPU it rehearses the same steps on the
# CPU with a model of the same architecture and a thousandth of the size.
#
#     benchmarks/gpu.sh OUT                   # all steps
#     benchmarks/gpu.sh OUT decoding probe    # these steps, for instance those that an earlier call had no time for
#     MODEL=Qwen/Qwen2.5-VL-7B-Instruct DATASET=ORG/anomreason benchmarks/gpu.sh OUT
#
# OUT gets a file for each step. MODEL and PROCESSOR are directories or Hub ids, DATASET is a built one with the configuration
# deepfake; unless given, the model has random weights of the 7B's shape, and the pictures are rendered scenes. Both stay in
# ${TMPDIR:-/tmp} for the next call. Python needs the packages of the extra `train`, and pytest for `equality` and `evidence`,
# bitsandbytes for `qlora`, the extra `demo` for `quickstart`; a step that lacks one fails alone and says so in its log.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:?give a directory for the results}
shift
chosen=" $* "
python=$(realpath -s "$(command -v "${PYTHON:-python}")")  # steps may run elsewhere
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=${TMPDIR:-/tmp}/anomreason-gpu
mkdir -p "$work"
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false

# run NAME SECONDS COMMAND…: its output goes to OUT/NAME.json, its messages to OUT/NAME.log
run() {
    local name=$1 limit=$2 began=$SECONDS code
    shift 2
    limit=$((limit * patience))
    timeout --kill-after 10 "$limit" "$@" >"$out/$name.json" 2>"$out/$name.log"
    code=$?
    echo "$name: exit code $code, $((SECONDS - began)) of $limit s"
    [ -s "$out/$name.json" ] && cat "$out/$name.json"
    return $code
}

# step NAME SECONDS COMMAND…: the same, if it is chosen
step() {
    case $chosen in "  " | *" $1 "*) run "$@" ;; esac
}

if $python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    size=7b gpu=yes patience=1 steps=20 batches="1 16 64" here=""
else
    size=micro gpu="" patience=4 steps=4 batches="1 4" # the limits are a GPU's
    here="--use_cpu true --bf16 false --dtype float32 --min_pixels 28224 --max_pixels 28224 --dataloader_num_workers 0"
fi

# What the others need.
model=${MODEL:-$work/random-$size}
if [ -z "${MODEL:-}" ] && [ ! -f "$model/processor_config.json" ]; then
    run model 90 "$python" -m benchmarks.random_model $size "$model" ${PROCESSOR:+--processor "$PROCESSOR"}
fi
dataset=${DATASET:-$work/anomreason} config=deepfake
if [ -z "${DATASET:-}" ]; then
    config=default
    if [ ! -f "$dataset/README.md" ]; then
        run scenes 60 "$python" -m anomreason scenes "$work/scenes" --n 160 --seed 5
        run dataset 60 "$python" -m anomreason build "$work/scenes" --out "$dataset" --recipe none
    fi
fi
data="--model_name_or_path $model --dataset_name $dataset --dataset_config $config"

# The recipe as it is shipped.
step training 240 "$python" -m benchmarks.training --config anomreasonor_7b --steps $steps --gradient_accumulation_steps 2 $data $here
# In 32 bits, recorded steps of decoding give the tokens of `generate`, one by one.
step equality 240 "$python" -m pytest -q -p no:cacheprovider tests/trainer/test_decoding.py
# Each change on its own.
step fixes 180 "$python" -m benchmarks.fixes --config anomreasonor_7b --gradient_accumulation_steps 2 $data $here
if [ -n "$gpu" ]; then # a CPU is refused 4 bits
    step qlora 120 "$python" -m benchmarks.training --config anomreasonor_3b --steps 5 --gradient_accumulation_steps 8 $data
fi
# The Space's model in its process: how long a visitor waits.
step card 120 "$python" -m benchmarks.first_card --model "$model"
step decoding 120 "$python" -m benchmarks.predict --model "$model" --decode $batches
# What decides the speed and can be seen on any device: no backward call in the tower, one attention call per layer.
step evidence 240 "$python" -m pytest -q -p no:cacheprovider tests/trainer/test_tower.py tests/trainer/test_decoder.py
if [ -n "$gpu" ]; then # there is nothing to propose on a CPU, and `make demo` is the loop there
    step probe 120 "$python" -m anomreason probe --config anomreasonor_7b --compile_layers false --output_dir "$work/probe" $data
    step quickstart 240 env --chdir "$(mktemp -d "$work/demo.XXXX")" "$python" -m anomreason quickstart
fi
