# The pieces of eng/prove.sh, which reads this file; each is a function that runs steps and says what came of them.

need_gpu() {
  [ -n "$simulator" ] || nvidia-smi -L 2>/dev/null | grep -q . || skip "there is no GPU"
}
need_bundle() {
  [ -x "$bundle/aios" ] || skip "there is no $bundle; eng/bundle.sh makes it"
}
# The programs that need no .NET; those of before are good as long as no source is newer.
programs=$home/build/prove-programs
need_programs() {
  [ ! -e "$programs/ok" ] || [ -n "$(find native kernels tests/golden bench/native -newer "$programs/ok" -print -quit)" ] || return 0
  mkdir -p "$programs"
  rm -f "$here/programs.ok"
  step programs 400 eng/prove/programs.sh "$programs" ${simulator:+--simulator} && touch "$programs/ok"
}

# ---- the simulator's hold on hardware ----

# A family that hangs is stopped and gone on with after the case that did it.
golden() {
  local family
  for family in $("$programs/golden_capture" --list); do
    step "$family" 180 bash -c '
      for try in 1 2 3; do
        timeout -k 5 60 "$0" "$@" && exit || status=$?
        [ "$status" -ge 124 ] || exit "$status"
        echo "stopped after 60 s (run $try)"
      done
      exit 1' "$programs/golden_capture" --out "$here" --family "$family"
  done
  say "$(cat "$here"/*.golden | grep -c '^inputs ') cases"
}
sanitize() { # tool
  local family
  mkdir -p "$here/files"
  for family in $("$programs/golden_capture" --list); do
    step "$family" 200 compute-sanitizer --tool "$1" --error-exitcode 9 --log-file "$here/$family.log" \
      "$programs/golden_capture" --out "$here/files" --family "$family"
  done
  say "$(ls "$here"/*.ok | wc -l) programs are clean"
}

# ---- correctness of ours ----

kernels() {
  need nvcc && need cmake || return
  step rebuild "$piece_seconds" "$bundle/rebuild-kernels.sh" && say "libaios_cuda by $(nvcc --version | sed -nE 's/.*(V[0-9.]+).*/\1/p')"
}
classes_of() { # suite
  "$bundle/dotnet/dotnet" "$bundle/app/$1.dll" -noLogo -noColor -list classes | grep "^AiOs\."
}
# One step for each class that a pattern of the simulator's run names, or for each there is.
suite() { # suite, seconds for a class, classes with --simulator...
  local class classes
  if [ -n "$simulator" ]; then classes=("${@:3}"); else mapfile -t classes < <(classes_of "$1"); fi
  for class in "${classes[@]}"; do
    step "$class" "$2" "$bundle/run-tests.sh" --backend "$backend" "$1" -- -class "$class"
    mv "$bundle/results/$1.xml" "$here/$class.xml" 2>/dev/null
  done
  say "$(cat "$here"/*.txt | awk '/Total:/ { gsub(",", ""); for (i = 1; i < NF; i++) { if ($i == "Total:") n += $(i + 1); if ($i == "Failed:") f += $(i + 1)
    if ($i == "Errors:") f += $(i + 1); if ($i == "Skipped:") s += $(i + 1) } } END { print n - f - s + 0 " tests passed, " f + 0 " failed, " s + 0 " skipped" }')"
}
sanitize_kernels() { # tool
  local class
  for class in $(classes_of AiOs.Conformance | grep -v Quantize); do
    step "$class" 300 env AIOS_BACKEND=cuda compute-sanitizer --tool "$1" --target-processes all --error-exitcode 9 \
      --log-file "$here/$class.log" "$bundle/dotnet/dotnet" "$bundle/app/AiOs.Conformance.dll" -noLogo -noColor -class "$class"
  done
  say "$(ls "$here"/*.ok | wc -l) groups of ops are clean"
}

# ---- training ----

train() { # name of the step, seconds, backend, options...
  rm -f "$here/$1.jsonl"
  step "$1" "$2" "$bundle/aios" train --backend "$3" --log-json "$here/$1.jsonl" --out "$scratch/out" "${@:4}"
}
# Trains on the CPU and on the device, and compares the losses of every step.
compare_losses() { # name, seconds, bound, steps, options...
  local name=$1 seconds=$2 bound=$3 count=$4 where
  shift 4
  for where in cpu "$backend"; do
    [ -e "$here/$name-$where.ok" ] || train "$name-$where" "$seconds" "$where" --steps "$count" "$@" || return
  done
  step "$name" 10 awk -v bound="$bound" -v count="$count" '
    match($0, /"loss":[^,}]*/) { loss = substr($0, RSTART + 7, RLENGTH - 7) + 0
      if (FNR == NR) { cpu[FNR] = loss; next }
      both++; off = loss - cpu[FNR]; off = off < 0 ? -off : off; if (off > worst) worst = off }
    END { printf "%d steps, worst difference %.2g, bound %g\n", both, worst, bound
      exit !(both == count && worst <= bound && cpu[count] < cpu[1]) }' "$here/$name-cpu.jsonl" "$here/$name-$backend.jsonl"
  say "$name $(cat "$here/$name.txt" | tail -n 1)"
}
# The bounds: processors with other instruction sets differ from each other by a tenth of them in f32 and a fifth in bf16.
losses() {
  local tiny="--layers 2 --heads 2 --embd 32 --block 16 --batch 4 --order sequential"
  local wide="--layers 2 --heads 12 --embd 768 --block 128 --batch 2 --order sequential"
  compare_losses tiny-f32 60 1e-4 20 $tiny --dtype f32 --lr 0.01 --dropout 0.1
  compare_losses tiny-graph 60 1e-4 20 $tiny --dtype f32 --lr 0.01 --accumulate 2 --graph
  compare_losses tiny-bf16 60 2e-3 20 $tiny --dtype bf16
  [ -z "$simulator" ] || return 0
  compare_losses wide-f32 200 1e-4 10 $wide --dtype f32
  compare_losses wide-bf16 200 1e-2 10 $wide --dtype bf16
}
gpt2_ours() {
  local batch model="--layers 12 --heads 12 --embd 768 --block 1024 --vocab 50304" steps_of=20 batches=(4 16)
  [ -z "$simulator" ] || model="--layers 1 --heads 2 --embd 32 --block 16" steps_of=6 batches=(2)
  for batch in "${batches[@]}"; do
    train "batch-$batch" 400 "$backend" $model --batch "$batch" --dtype bf16 --graph --order sequential --steps "$steps_of"
    [ ! -e "$here/batch-$batch.ok" ] || say "batch $batch: $(sed -n '6,$s/.*"tokens_per_s":\([0-9.e+]*\).*/\1/p' "$here/batch-$batch.jsonl" |
      sort -g | awk '{ rate[NR] = $1 } END { printf "%.0f tokens/s, median of %d steps", rate[int((NR + 1) / 2)], NR }')$simulated"
  done
}

# ---- figures ----

# How many figures there are and how many were not taken; a piece without any has failed.
count_figures() { # pattern of a figure, command that prints why some were not taken, file...
  local taken reasons
  taken=$(cat "${@:3}" 2>/dev/null | grep -cE "$1")
  mapfile -t reasons < <("$2" "${@:3}" | sed -E 's|^([a-z_]+: )\1|\1|' | cut -c 1-50 | sort | uniq -c | sort -rn | sed 's/^ *\([0-9]*\) /\1 times: /')
  say "${taken:-0} figures$simulated${reasons[0]:+; not taken: $(IFS=$'|'; echo "${reasons[*]}" | sed 's/|/; /g')}"
  [ "${taken:-0}" -gt 0 ] || bad+=("no figure")
}
simulated=${simulator:+ (simulated: no figure is a measurement)}
device() {
  step device 300 bash -c '"$@" >"$0"' "$here/device.json" "$programs/device_bench" ${simulator:+--tiny}
  count_figures '"name"' true "$here/device.json"
}
torch_peer() { # subject, more arguments
  step "$1" "$piece_seconds" "$python" bench/peers/torch_gpu.py "$@" ${simulator:+--tiny} --out "$here/$1.jsonl"
  count_figures '"median_ms"' torch_skipped "$here/$1.jsonl"
}
need_torch() { # what it must have
  "$python" -c "import torch; torch.$1" 2>/dev/null ||
    skip "$("$python" -c "import torch; print('PyTorch', torch.__version__, 'has no $1')" 2>/dev/null || echo "there is no PyTorch for $python")"
}
torch_skipped() { # file
  sed -nE 's/.*"skipped": "(([^"\\]|\\.)*)".*/\1/p' "$1"
}
# Ours at every shape of bench/shapes/<backend>, a step each, with the peers that are there.
bench() { # pattern of a figure, benchmark...
  local family shape pattern=$1
  shift
  for family in "$@"; do
    while read -r shape; do
      step "$family-${shape//,/x}" 400 "$bundle/aios" bench "$family" --backend "$backend" --peers --shapes "$shape" ${simulator:+--rounds 3} \
        --json "$here/$family-${shape//,/x}.json"
    done <"bench/shapes/$backend/$family.txt"
  done
  count_figures "$pattern" left_out "$here"/*.json
}
left_out() { # notes of aios bench, which go on in lines with an indentation
  cat "$here"/*.txt | awk 'function show() { if (note ~ /left out|no peer|not found/) { sub(/.*is left out: |.* has no peer: /, "", note); print note }; note = "" }
    /^! / { show(); note = substr($0, 3); next }
    note != "" && /^  / { note = note " " substr($0, 3); next }
    { show() } END { show() }'
}

run_piece() { # piece
  need_gpu || return
  case $1 in
    golden | memcheck | synccheck | device) ;;
    gemm | norms | loss | adamw | gpt2) need_torch __version__ || return ;;
    attention) need_torch nn.functional.scaled_dot_product_attention || return ;;
    gpt2-compiled) need_torch compile || return ;;
    *) need_bundle || return ;;
  esac
  case $1 in
    golden) need_programs && golden ;;
    kernels | *check*)
      [ -z "$simulator" ] || { skip "it is for a GPU"; return; }
      case $1 in
        kernels) kernels ;;
        *) need compute-sanitizer || return
           case $1 in
             *-kernels) sanitize_kernels "${1%-kernels}" ;;
             *) need_programs && sanitize "$1" ;;
           esac ;;
      esac ;;
    conformance) suite AiOs.Conformance 200 AiOs.Conformance.Cases.{FillCast,Gather,Rope}Tests ;;
    runtime) suite AiOs.Runtime.Tests 200 AiOs.Runtime.Tests.{CudaDriver,Graph}Tests ;;
    training) suite AiOs.Training.Tests 300 AiOs.Training.Tests.GraphStepTests ;;
    losses) losses ;;
    device) need_programs && device ;;
    cublas) if [ -n "$simulator" ]; then bench '"median_us": [0-9]' gemm; else bench '"cublas": [0-9]|"op": "cublas_gemm"' gemm; fi ;;
    ours) bench '"median_us": [0-9]' attention norm crossentropy adamw softmax copy launch train qmatmul memory ;;
    gpt2-ours) gpt2_ours ;;
    gpt2-compiled) torch_peer gpt2 --compile ;;
    *) torch_peer "$1" ;;
  esac
}
