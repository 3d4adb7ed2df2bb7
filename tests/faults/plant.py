#!/usr/bin/python3
"""Plants single-line faults one by one and asks the tests which of them they find (mutation testing).

    tests/faults/plant.py TREE [--count N] [--seed S] [--only REGEX | --faults LIST] [--part K/N] [--log FILE] [--list] [--quick]

TREE is a checkout of its own with a built preset `release`: its sources are changed and put back. Faults are drawn from src/{train,nn,
data,comm,store,plan,run,check,report} in equal numbers, at most two per file: an operator, a bound, a sign or a constant is exchanged in a line that is no
message. Each goes through the unit tests of its room, then all unit tests, then MPI on two and three ranks, then short program tests; the
first that fails (or hangs) has found it. One line per fault: what, where, by which test it was found. Exit 1 where
fewer than 95 of 100 are found. Faults that change nothing (listed in equal.txt, each with its reason) are left out.
--part 1/2 and 2/2 share the faults of one seed between two trees, N for both together;
--list shows them. --quick leaves the program tests out: who survives it can be judged alone by --faults, a list of such lines.
"""
import argparse
import os
import random
import re
import subprocess
import sys
import time

rooms = ["train", "nn", "data", "comm", "store", "plan", "run", "check", "report"]
houses = {"run": "plan", "check": "plan", "report": "plan"}  # whose unit tests they are in
rules = [(" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > "), (" == ", " != "), (" != ", " == "), (" && ", " || "),
         (" + 1", " + 2"), (" - 1", " - 0"), ("+= ", "-= "), (" * ", " / "), (" - ", " + "), (" + ", " - "), ("true", "false"),
         ("false", "true"), ("std::min", "std::max"), ("std::max", "std::min"), ("(!", "("), ("continue;", "break;")]
# Messages, declarations, tables of texts, and bounds of loops over containers (those crash at once and show nothing).
skipped = re.compile(r'log::|fmt::|fail\(|require\(|"|//|#include|template|static_assert|operator|k\.add|throw|const char|size\(\); \+\+')
program_tests = ["exact_repeat", "equalities", "restart", "run_folder", "test_sets", "commands", "exact_ranks", "variants", "stops", "nac"]


def candidates(tree, seed, known):
    draw = random.Random(seed)
    for room in rooms:
        folder = os.path.join(tree, "src", room)
        files = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(".cpp"))
        found = []
        for path in files:
            if "/cuda/" in path:
                continue
            lines = open(path).read().split("\n")
            for line in lines:
                if not line.startswith("  ") or lines.count(line) > 1 or skipped.search(line):
                    continue
                for old, new in rules:
                    places = [m.start() for m in re.finditer(re.escape(old), line)]
                    if not places:
                        continue
                    at = draw.choice(places)
                    changed = line[:at] + new + line[at + len(old):]
                    found.append((room, os.path.relpath(path, tree), line, changed))
        draw.shuffle(found)
        per_file = {}
        for fault in found:
            if text(fault) not in known and per_file.get(fault[1], 0) < 2:
                per_file[fault[1]] = per_file.get(fault[1], 0) + 1
                yield fault


def listed(tree, path):
    """The faults of a list, one "file: line => changed line" each, as this program prints them."""
    for entry in open(path):
        entry = entry.split("   # ")[0].rstrip("\n")
        name, change = entry[entry.index("src/"):].split(": ", 1)
        line, changed = change.split(" => ")
        there = [l for l in open(os.path.join(tree, name)).read().split("\n") if l.strip() == line]
        if len(there) != 1:
            sys.exit(f"{name} holds this line {len(there)} times: {line}")
        yield name.split("/")[1], name, there[0], there[0].replace(line, changed)


def text(fault):
    return f"{fault[1]}: {fault[2].strip()} => {fault[3].strip()}"


def run(command, tree, seconds, log):
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1",
                       OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_hwloc_base_binding_policy="none", OMPI_MCA_mpi_yield_when_idle="1",
                       HDF5_USE_FILE_LOCKING="FALSE", M2MKD_BIN=os.path.join(tree, "build/release/bin"))
    process = subprocess.Popen(command, cwd=tree, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        return -1


def judge(fault, tree, log, quick):
    """The test that finds the fault; "" where none does, None where it does not compile. `quick`: without program tests; None: by the unit tests alone."""
    room = houses.get(fault[0], fault[0]) or "comm"
    build = lambda *targets: run(["cmake", "--build", "build/release", "--target", *targets], tree, 1200, log) == 0
    unit = lambda name: run([f"build/release/bin/test_{name}", "--gtest_brief=1", "--gtest_fail_fast"], tree, 150, log) == 0
    if not build("test_" + room):
        return None
    if not unit(room):
        return room
    above = [r for r in ["comm", "store", "data", "nn", "train", "plan"] if r != room]
    if not build(*["test_" + r for r in above], "test_mpi", "m2mkd", "m2mkd-pack"):
        return None
    for other in above:
        if not unit(other):
            return other
    if quick is None:
        return ""
    for ranks in "2", "3":
        if run(["mpirun", "-n", ranks, "build/release/bin/test_mpi", "--gtest_brief=1", "--gtest_fail_fast"], tree, 240, log) != 0:
            return "mpi." + ranks
    if quick:
        return ""
    for name in program_tests:
        if run(["bash", f"tests/cli/{name}.sh"], tree, 400, log) not in (0, 77):
            return "cli." + name
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--faults")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--log", default="/dev/null")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    tree = os.path.abspath(asked.tree)
    equal = os.path.join(os.path.dirname(os.path.abspath(__file__)), "equal.txt")
    known = {line.split("   # ")[0].rstrip() for line in open(equal)}
    part, parts = map(int, asked.part.split("/"))
    by_room = {}
    for fault in listed(tree, asked.faults) if asked.faults else candidates(tree, asked.seed, known):
        if re.search(asked.only, text(fault)):
            by_room.setdefault(fault[0], []).append(fault)
    by_room = {room: faults[part - 1::parts] for room, faults in by_room.items()}
    counts = {"found": 0, "not found": 0, "does not compile": 0}
    if asked.list:
        for faults in zip(*(faults[::-1] for faults in by_room.values())):
            print("\n".join(map(text, faults)))
        return
    log = open(asked.log, "a")
    if found := judge(("", "", "", ""), tree, log, None):
        sys.exit(f"test '{found}' fails without a fault: nothing can be learnt here")
    turn = 0
    while counts["found"] + counts["not found"] < asked.count / parts and any(by_room.values()):
        room = rooms[turn % len(rooms)]
        turn += 1
        if not by_room.get(room):
            continue
        fault = by_room[room].pop()
        path = os.path.join(tree, fault[1])
        before = open(path).read()
        begin = time.time()
        try:
            open(path, "w").write(before.replace(fault[2], fault[3], 1))
            by = judge(fault, tree, log, asked.quick)
        finally:
            open(path, "w").write(before)
        what = "does not compile" if by is None else "found" if by else "not found"
        counts[what] += 1
        print(f"{what + (' by ' + by if by else ''):24} {time.time() - begin:4.0f} s  {text(fault)}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    sys.exit(counts["found"] < 0.95 * (counts["found"] + counts["not found"]))


main()
