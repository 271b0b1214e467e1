#!/usr/bin/env bash
# checkpoint_test.sh CHECKPOINT TRAIN FIXTURES: what is in a file, and the ways from one format to another and back.
. "$(dirname "$0")/../support/work.sh"
program=$1 train=$2 fixtures=$3
cd "$work" || exit 1

# shows FILE LINE: `checkpoint info FILE` succeeds and prints that line.
shows() {
  "$program" info "$1" >said.txt || fail "info $1: exit code $?"
  grep -qxF -- "$2" said.txt || fail "info $1: no line '$2' in: $(cat said.txt)"
  [ "$(wc -L <said.txt)" -le 80 ] || fail "info $1: a line of $(wc -L <said.txt) columns"
}

# refuses TEXT ARGUMENT...: exit code 2, one line on stderr that has the text, nothing on stdout.
refuses() {
  local text=$1
  shift
  "$program" "$@" >said.txt 2>err.txt
  local code=$?
  [ $code -eq 2 ] || fail "$*: exit code $code, expected 2"
  [ "$(wc -l <err.txt)" -eq 1 ] || fail "$*: not one line on stderr"
  [ -s said.txt ] && fail "$*: prints something before the error"
  grep -qF -- "$text" err.txt || fail "$*: no '$text' in: $(cat err.txt)"
}

"$train" --data synthetic --batch-size 32 --limit-train 64 --limit-test 32 --epochs 1 --threads 2 --out run >/dev/null || fail "train"
shows run/checkpoint.safetensors "run/checkpoint.safetensors: safetensors file"
shows run/checkpoint.safetensors "checksum  verified"
grep -qE "^format    evenkeel training checkpoint, version [0-9]+$" said.txt || fail "no format in: $(cat said.txt)"
grep -qE "^model     [0-9]+ tensors, [0-9]+ elements, [0-9]+ bytes$" said.txt || fail "no count of the model's tensors"
grep -qE "^  model\.[a-z0-9.]+ +float32  \[[0-9, ]*\]$" said.txt || fail "no tensors"
grep -qE "^  [a-z.]*epoch = 1$" said.txt || fail "no metadata"

# A training checkpoint's weights are those that the run saved.
"$program" convert run/checkpoint.safetensors weights.safetensors --weights >/dev/null || fail "--weights"
cmp weights.safetensors run/model.safetensors || fail "--weights gives others than the run's"
shows weights.safetensors "format    not named"

# With a checksum, plain, a folder of .npy files, and back: the same bytes.
"$program" convert weights.safetensors plain.safetensors --plain >/dev/null || fail "--plain"
shows plain.safetensors "checksum  none: unchecked, damaged values would go unnoticed"
cmp -s plain.safetensors weights.safetensors && fail "a plain file is the same"
"$program" convert plain.safetensors folder >/dev/null || fail "to a folder"
shows folder "folder: folder of .npy files"
"$program" convert folder again.safetensors >/dev/null || fail "from a folder"
cmp again.safetensors weights.safetensors || fail "the way through .npy files changes something"
file=$(ls folder/*.npy | head -1)
shows "$file" "total     $("$program" info "$file" | sed -n 's/^total  *//p')"

# Files of PyTorch, with names that have a slash.
shows "$fixtures/layers.safetensors" "checksum  none: unchecked, damaged values would go unnoticed"
"$program" convert "$fixtures/losses.safetensors" losses >/dev/null || fail "a fixture to a folder"
"$program" convert losses losses.safetensors --plain >/dev/null || fail "a fixture back"
"$program" info "$fixtures/losses.safetensors" | sed 1d | sort >before.txt
"$program" info losses.safetensors | sed 1d | sort | diff - before.txt || fail "a fixture has other tensors after its way"

# A damaged byte is an error, also in a pipe.
size=$(stat -c %s weights.safetensors)
cp weights.safetensors damaged.safetensors
printf 'x' | dd of=damaged.safetensors bs=1 seek=$((size - 5)) conv=notrunc 2>/dev/null
refuses "damaged.safetensors': the file is damaged" info damaged.safetensors
refuses "damaged.safetensors': the file is damaged" convert damaged.safetensors out.safetensors
[ -e out.safetensors ] && fail "a damaged file was converted"

# Mistakes.
refuses "info FILE" info
refuses "info FILE" convert weights.safetensors
refuses "info FILE" info weights.safetensors out
refuses "--plain are options of convert" info weights.safetensors --plain
refuses "cannot open 'none.safetensors'" info none.safetensors
refuses "'plain.safetensors' exists already" convert weights.safetensors plain.safetensors
refuses "'folder' exists already" convert weights.safetensors folder
refuses "is no training checkpoint" convert weights.safetensors out.safetensors --weights
refuses "'out' is a folder" convert weights.safetensors out --plain
refuses "No such file or directory" convert weights.safetensors none/out
mkdir empty
refuses "there is no .npy file in the folder 'empty'" info empty
mkfifo pipe
refuses "is not a regular file, but a named pipe" info pipe
[ -z "$(find . -name '*.partial' -o -name '*.tmp')" ] || fail "something is left over"

# What a shell may hand over by mistake, and a system that refuses.
refuses "must not be empty" info ""
refuses "must not be empty" convert run/checkpoint.safetensors ""
refuses "--plain" convert run/checkpoint.safetensors twice.safetensors --plain --plain
refuses "cannot make the folder 'no/where': No such file or directory" convert run/checkpoint.safetensors no/where
refuses '\x1b[31m' info $'\e[31m'
"$program" convert run/checkpoint.safetensors slash/ >/dev/null || fail "a folder with a slash behind it: exit code $?"
[ -d slash ] || fail "no folder 'slash'"
"$program" info run/checkpoint.safetensors >/dev/full 2>err.txt
[ $? -eq 2 ] || fail "a full output is no error"
grep -q "cannot write the output: No space left on device" err.txt || fail "a full output: $(cat err.txt)"
"$program" info run/checkpoint.safetensors >&- || fail "no output at all is an error"
(ulimit -f 8; "$program" convert run/checkpoint.safetensors large.safetensors >/dev/null 2>err.txt)
[ $? -eq 2 ] || fail "a limit on the size of files ends the program"
grep -q "File too large" err.txt || fail "a limit on the size of files: $(cat err.txt)"
[ -z "$(find . -name '*large*')" ] || fail "a refused save leaves $(find . -name '*large*')"

finish
