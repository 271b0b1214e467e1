# Rules on the sources that no compiler checks; run by tests/layering.cmake over all files, from the project's root.
# Prints one line per fault, or, if there is none, the measures. POSIX awk.

BEGIN {
  # Which folders a folder may include.
  may["core"] = "core"
  may["autograd"] = "core autograd"
  may["nn"] = "core autograd nn"
  may["optim"] = "core autograd optim"
  may["models"] = "core autograd nn models"
  may["data"] = "core autograd data"
  may["training"] = "core autograd nn optim models data training"
  # The rooms of core/kernels: a room includes only rooms before it, and of the rest of core these headers.
  rooms = split("simd elementwise reduce norm matmul conv pool", room_names, " ")
  for (i = 1; i <= rooms; ++i) place_of_room[room_names[i]] = i
  kernels_may_use = "^core/(error|parallel|storage|thread_state)\\.hpp$"
  # What stands in its home only.
  add_home("#include [<\"](xsimd|[a-z]*intrin\\.h)", "^core/kernels/simd/")
  add_home("xsimd::|(^|[^a-z0-9_])_mm(256|512)?_|__m(128|256|512)", "^core/kernels/simd/")
  add_home("#include [<\"](cblas|openblas)", "^core/kernels/matmul/blas\\.cpp$")
  add_home("#include [<\"]omp\\.h|#pragma omp", "^core/parallel\\.cpp$")
  add_home("#include [<\"]nlohmann", "^core/io/[^/]*\\.cpp$")
  add_home("#include [<\"]zip", "^core/io/[^/]*\\.cpp$")
  add_home("#include [<\"]zlib", "^(core/io|data|tests/core|tests/data)/[^/]*\\.cpp$")
  library = "^(core|autograd|nn|optim|models|data|training)/"
  most_lines = 500; most_in_function = 60; most_columns = 120; most_headers = 8
  users_header = "autograd/tensor.hpp"
}

function add_home(pattern, place) { home_pattern[++homes] = pattern; home_place[homes] = place }
function fault(text) { print text; ++faults }
function here() { return file ":" FNR ": " }

function start_file() {
  file = FILENAME
  sub(/^\.\//, "", file)
  ++files
  folder = file; sub(/\/.*/, "", folder)
  room = ""
  if (file ~ /^core\/kernels\//) { room = file; sub(/^core\/kernels\//, "", room); sub(/\/.*/, "", room) }
  if (room != "") seen_room[room] = 1
  split("", start)
  includes = 0
  first_include = ""
  known[file] = 1
}

# A file's length is known when the next one starts.
function end_file() {
  if (lines > most_lines) fault(file ": " lines " lines, at most " most_lines " are allowed")
  if (lines > longest_file) { longest_file = lines; longest_file_name = file }
}

FNR == 1 { if (files) end_file(); start_file() }
{ lines = FNR; code = $0; sub(/[ \t]*\/\/.*/, "", code) }

length($0) > most_columns { fault(here() length($0) " columns, at most " most_columns " are allowed") }

/^#include "/ {
  target = $2; gsub(/"/, "", target)
  if (target !~ /^(evenkeel\/[a-z]+[.\/]|tests\/|bench\/|examples\/)/) {
    fault(here() target " is not reached as \"evenkeel/folder/...\"")
  }
  own = target; sub(/^evenkeel\//, "", own)
  if (first_include == "") first_include = own
  check_own_header(own)
  check_direction(own)
  included[file, ++count_included[file]] = own
  ++includes
}
/^#include </ { if (!includes) includes = -1 }

# The first include of X.cpp is X.hpp: open the one to find the other. A kernel's body may stand in several files of its
# room (winograd.cpp, winograd_gradient.cpp); nothing else may.
function check_own_header(target) {
  if (includes || file !~ library || file !~ /\.cpp$/) return
  expected = file; sub(/\.cpp$/, ".hpp", expected)
  if (target == expected) return
  first = file; sub(/[^\/]*$/, "", first)
  if (room == "" || index(target, first) != 1) fault(here() "the first include is " target ", not " expected)
  else other_first[file] = expected FS target
}

# X.cpp defines members of classes that X.hpp or itself declares, in kernels those of its room. A class with a body is
# noted wherever it stands; members are looked up when all files are read.
match(code, /(^|[^a-z])(class|struct) ([A-Za-z]+::)*[A-Z][A-Za-z0-9_]*[^;(),]*$/) {
  name = substr(code, RSTART, RLENGTH)
  sub(/^.?(class|struct) ([A-Za-z]+::)*/, "", name); sub(/[^A-Za-z0-9_].*/, "", name)
  declares[file, name] = 1
  if (room != "") declares[room, name] = 1
}
file ~ library && file ~ /\.cpp$/ && code ~ /^[A-Za-z_].*\(/ {
  head = code; sub(/\(.*/, "", head)
  if (match(head, /[A-Z][A-Za-z0-9_]*(<[A-Za-z0-9_, ]*>)?::(operator[^A-Za-z]*|~?[A-Za-z_][A-Za-z0-9_]*)$/)) {
    name = substr(head, RSTART, RLENGTH); sub(/[^A-Za-z0-9_].*/, "", name)
    if (!((file, name) in declares)) member[FNR ": " file] = name SUBSEP first_include SUBSEP room
  }
}

function check_direction(target,   to, to_room) {
  to = target; sub(/[.\/].*/, "", to)
  if (folder in may && index(" " may[folder] " ", " " to " ") == 0) {
    fault(here() target ": " folder " may include " may[folder] " only"); ++upward
  }
  if (room == "") return
  if (target ~ /^core\/kernels\//) {
    to_room = target; sub(/^core\/kernels\//, "", to_room); sub(/\/.*/, "", to_room)
    if (place_of_room[to_room] > place_of_room[room]) {
      fault(here() target ": room " room " comes before " to_room); ++upward
    }
  } else if (target !~ kernels_may_use) {
    fault(here() target ": of core, kernels may include error, parallel, storage and thread_state only"); ++upward
  }
}

{
  for (i = 1; i <= homes; ++i) {
    if (code ~ home_pattern[i] && file !~ home_place[i]) {
      place = home_place[i]; gsub(/[\\^$]/, "", place)
      fault(here() "'" $0 "' belongs into " place " only")
    }
  }
}

room != "" && code ~ /(^|[^A-Za-z0-9_:])Array([^A-Za-z0-9_]|$)/ { fault(here() "kernels know pointers and sizes, no Array") }

# Formulas hand data() and span() to kernels; they do not keep them in variables, index them or loop over them.
file ~ /^autograd\/ops\// && (code ~ /parallel_for/ || code ~ /(data|span)<[^>]*>\(\)\[/ || code ~ /for \(.*(data|span|to_vector)</ ||
    code ~ /[A-Za-z0-9_>*&] +[A-Za-z0-9_]+ = [^;]*[.>](template )?(mutable_)?(data|span)</) {
  fault(here() "autograd/ops holds formulas: loops over values belong into core")
}

# Functions begin and end in the first column, or in the third inside a class; clang-format sees to it. A block that ends
# with "}" alone began at the last line of its own column that is code. Tests hold tables, which may be longer.
match(code, /^(  )?[][A-Za-z_~]/) { start[RLENGTH - 1] = FNR }
folder != "tests" && ($0 == "}" || $0 == "  }") {
  column = length($0) - 1
  if (start[column]) {
    size = FNR - start[column] + 1
    if (size > most_in_function) fault(file ":" start[column] ": a function of " size " lines, at most " most_in_function " are allowed")
    if (size > longest_function) { longest_function = size; longest_function_place = file ":" start[column] }
  }
}

# Follows the includes of `from`: headers behind it, and how deep they go.
function visit(from,   i, to, depth, deepest) {
  if (from in depth_of) return depth_of[from]
  depth_of[from] = 0
  for (i = 1; i <= count_included[from]; ++i) {
    to = included[from, i]
    if (!(to in depth_of)) ++headers_behind
    depth = 1 + visit(to)
    if (depth > deepest) deepest = depth
  }
  return depth_of[from] = deepest + 0
}

END {
  if (files) end_file()
  for (name in other_first) {
    split(other_first[name], pair, FS)
    if (pair[1] in known) fault(name ": the first include is " pair[2] ", not " pair[1])
  }
  for (line in member) {
    split(member[line], part, SUBSEP)
    if ((part[2], part[1]) in declares || part[3] != "" && (part[3], part[1]) in declares) continue
    split(line, place_of_line, ": ")
    fault(place_of_line[2] ":" place_of_line[1] ": a member of " part[1] ", which neither this file nor " part[2] " declares")
  }
  for (name in seen_room) {
    ++rooms_found
    if (!(name in place_of_room)) fault("core/kernels/" name ": no room of that name is known")
  }
  headers_behind = 0
  chain = visit(users_header)
  if (headers_behind > most_headers) fault(users_header ": " headers_behind " project headers behind it, at most " most_headers " are allowed")
  if (faults) exit 1
  printf "%d files in order: kernel rooms %d, upward includes %d, longest function %d (%s), longest file %d (%s), headers behind %s %d, include chain %d\n",
    files, rooms_found, upward, longest_function, longest_function_place, longest_file, longest_file_name, users_header, headers_behind, chain
}
