# The rules of floors.sh. Prints one line "file:line: what" per violation.
BEGIN {
  floors = "base 0 config 1 comm 2 store 2 data 3 nn 3 train 4 plan 5 run 6 convert 6 check 7 report 7 jobs 8 data_prep 8"
  for (n = split(floors, f, " "); n > 0; n -= 2) floor[f[n - 1]] = f[n]
}
function say(what) { printf "%s:%d: %s\n", FILENAME, FNR, what }
function close_file() {
  if (lines > 500) printf "%s:%d: more than 500 lines\n", file, lines
  if (file ~ /^include\// && !once) printf "%s:1: no #pragma once\n", file
  if (file ~ /^include\// && !comment) printf "%s:1: no comment at the top that says what it is\n", file
}
FNR == 1 {
  if (file) close_file()
  file = FILENAME; once = comment = 0
  split(file, part, "/")
  room = part[1] == "include" ? part[3] : part[1] == "src" ? part[2] : part[1]
}
{ lines = FNR }
FNR <= 3 && /^#pragma once/ { once = 1 }
FNR <= 3 && /^\/\/ ./ { comment = 1 }
!/^[ \t]*#[ \t]*include/ || file ~ /^tests\// { next }
{
  name = $0
  sub(/^[^<"]*[<"]/, "", name)
  sub(/[>"].*$/, "", name)
  split(name, inner, "/")
}
# "../private.hpp" is fine from a folder within a room (src/comm/cpu/), never across rooms.
name ~ /\.\.\// && !(file ~ /^src\/[^\/]*\/[^\/]*\// && name ~ /^\.\.\/[^\/]*$/) { say("leaves its room: " name) }
inner[1] == "m2mkd" && inner[2] != room && !(inner[2] in floor && room in floor && floor[inner[2]] < floor[room]) {
  say("room " room " may not include room " inner[2])
}
name ~ /^(mpi|nccl)\.h$/ && room != "comm" { say(name " belongs to comm") }
name ~ /^hdf5(_hl)?\.h$/ && room != "store" { say(name " belongs to store") }
name ~ /^boost\// && room != "config" { say(name " belongs to config") }
name ~ /^(turbojpeg|jpeglib)\.h$/ && room !~ /^data/ { say(name " belongs to data") }
name ~ /^(cuda[a-z0-9_]*\.h|cublas|cudnn|c10\/cuda\/|ATen\/cuda\/)/ && room != "comm" && file !~ /\.cuh?$/ {
  say(name " belongs to comm or a .cu file")
}
END { close_file() }
