#!/usr/bin/python3
"""Breaks named lines one by one in a copy of the tree; each must turn its test red.

usage: mutants.py [NAME]...

mutants.json, an array of:
  name     what goes wrong
  file     where
  find     text that stands there exactly once
  replace  what takes its place
  test     a unit program (test_scim_patch), or arguments of pytest (tests/e2e/test_races.py -k demoted), behind settings
           (KIOPS_DIRECTORY=389ds)
"""
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / os.environ.get("BUILD", "build") / "mutants"
BUILT = "build/debug"
# Of the `make mutants` above us, whose BUILD is not the copy's and whose job server is not for us.
ABOVE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ABOVE}


def run(command, seconds=600):
    return subprocess.run(["timeout", str(seconds), *command], cwd=TREE, env=ENVIRONMENT, capture_output=True,
                          text=True, errors="replace", check=False)


def copy_tree():
    """Only what differs, so that the next run builds only that."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.splitlines()
    names = {name for name in listed if (ROOT / name).is_file()}
    for old in [path for path in TREE.rglob("*") if path.is_file()]:
        name = str(old.relative_to(TREE))
        if name not in names and not name.startswith("build/"):
            old.unlink()
    for name in names:
        source, target = ROOT / name, TREE / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)  # with the time of now: make must see it as new


def build(test):
    if test.startswith("test_"):
        targets = [f"{BUILT}/unit/{test}"]
    else:
        targets = ["all", *(f"{BUILT}/tools/{path.stem}" for path in (TREE / "tests/tools").glob("*.c"))]
    # -w: what breaks a line may leave a variable unused.
    return run(["make", "-s", "-j2", "FLAVOR=debug", "BUILD=build", "CFLAGS=-w", *targets])


def passes(test):
    if test.startswith("test_"):
        return run([f"{BUILT}/unit/{test}"], seconds=60)
    settings = re.match(r"(?:[A-Z_]+=\S+ )*", test).group(0)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *test.removeprefix(settings).split()]
    built = TREE / BUILT
    return run(["env", f"KIOPS_BIN={built}/kiops-bridge", f"KIOPS_TOOLS={built}/tools", *settings.split(), *command], seconds=180)


def verdict(mutant):
    """"killed", or in capitals what is wrong; and the words of what was run."""
    path = TREE / mutant["file"]
    text = path.read_text() if path.exists() else ""
    if text.count(mutant["find"]) != 1:
        return f"STALE: the line stands {text.count(mutant['find'])} times in {mutant['file']}", ""
    try:
        path.write_text(text.replace(mutant["find"], mutant["replace"]))
        built = build(mutant["test"])
        if built.returncode:
            return "DOES NOT BUILD", built.stderr
        done = passes(mutant["test"])
        return ("killed" if done.returncode else "SURVIVED: " + mutant["test"]), done.stdout + done.stderr
    finally:
        path.write_text(text)


def why(words):
    """The line in which a test says that it failed."""
    found = re.search(r"^(FAILED|ERROR) .*|^\[  FAILED  \] \S+(?=\s|$)(?! test)|Assertion .* failed", words, re.MULTILINE)
    return found.group(0)[:100] if found else ""


def break_all(test, mutants):
    """How many were not killed."""
    built = build(test)
    sound = None if built.returncode else passes(test)
    if not sound or sound.returncode:
        print(f"{test}: RED BEFORE anything is broken", (sound.stdout + sound.stderr if sound else built.stderr)[-2000:])
        return len(mutants)
    bad = 0
    for mutant in mutants:
        started = time.monotonic()
        result, words = verdict(mutant)
        bad += result != "killed"
        print(f"{mutant['name']:46} {result:8} {time.monotonic() - started:5.1f} s  {why(words)}", flush=True)
        if result == "DOES NOT BUILD":
            print(words[-2000:])
    return bad


def main():
    wanted = set(sys.argv[1:])
    mutants = json.loads((ROOT / "tests/mutants/mutants.json").read_text())
    if unknown := wanted - {mutant["name"] for mutant in mutants}:
        sys.exit(f"no mutant is named {', '.join(sorted(unknown))}")
    mutants = sorted((m for m in mutants if not wanted or m["name"] in wanted), key=lambda m: m["test"])
    copy_tree()
    bad = sum(break_all(test, list(of)) for test, of in itertools.groupby(mutants, key=lambda m: m["test"]))
    print(f"{len(mutants) - bad} of {len(mutants)} killed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
