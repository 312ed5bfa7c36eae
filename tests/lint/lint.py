#!/usr/bin/python3
"""Layers, banned symbols, sizes, headers and their sections of src/, pages and stories of the profiles, the manual.
usage: lint.py OBJECT_DIR [layers|symbols|sizes|nesting|headers|sections|profiles|pages]..."""
import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
SYSTEM = re.compile(
    r"^(assert|arpa/\w+|ctype|dirent|endian|errno|fcntl|grp|inttypes|limits|math|malloc|netdb|netinet/\w+|poll|pthread|"
    r"pwd|signal|stdarg|stdatomic|stdalign|stdbool|stddef|stdint|stdio|stdlib|string|strings|sys/\w+|syslog|time|unistd)\.h$")
BANNED = {"strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "gmtime", "localtime", "rand", "gets",
          "exit", "_exit", "_Exit", "quick_exit"}  # main() returns; memory_out() aborts: no thread ends the others in silence
FILE_LINES = 500


def sources(*suffixes):
    return sorted(p for p in SRC.rglob("*") if p.suffix in suffixes)


def layers_table():
    table = {}
    for line in (ROOT / "tests/lint/layers.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name, rest = line.split(":", 1)
        folders, libraries = rest.split("|")
        table[name] = (set(folders.split()), tuple(libraries.split()))
    return table


def check_layers():
    table = layers_table()
    for path in sources(".c", ".h"):
        where = path.relative_to(SRC).parts[0]
        if where not in table:
            yield f"{path}: folder {where} is not in tests/lint/layers.txt"
            continue
        folders, libraries = table[where]
        for n, line in enumerate(path.read_text().splitlines(), 1):
            ours = re.match(r'#\s*include "([^/"]+)/', line)
            theirs = re.match(r"#\s*include <([^>]+)>", line)
            if ours and ours[1] != where and ours[1] not in folders:
                yield f"{path}:{n}: {where} may not include {ours[1]}"
            if ours and "internal.h" in line and ours[1] != where:
                yield f"{path}:{n}: internal.h of another folder"
            if theirs and not SYSTEM.match(theirs[1]) and not theirs[1].startswith(libraries or ("\0",)):
                yield f"{path}:{n}: {where} may not include <{theirs[1]}>"


def check_symbols(objects):
    found = sorted(pathlib.Path(objects).rglob("src/**/*.o"))
    if not found:
        yield f"{objects}: no objects; build first"
    for path in found:
        out = subprocess.run(["nm", "-u", path], capture_output=True, text=True, check=True).stdout
        for name in (line.split()[-1].split("@")[0] for line in out.splitlines() if line.strip()):
            if name in BANNED:
                yield f"{path}: uses {name}"


def check_sizes():
    for path in sources(".c", ".h"):
        lines = len(path.read_text().splitlines())
        if lines >= FILE_LINES:
            yield f"{path}: {lines} lines; split it by what it knows"


def check_nesting():
    """The compiler's own measure counts what macros expand to; the formatter's indentation does not."""
    for path in sources(".c"):
        for n, line in enumerate(path.read_text().splitlines(), 1):
            deep = re.match(r"( {16,})(if|for|while|switch|do)\b", line)
            if deep:
                yield f"{path}:{n}: nested deeper than 3"


def check_headers():
    for path in sources(".c"):
        if not path.read_text().startswith("/*"):
            yield f"{path}: does not begin with what it is"
    for path in sources(".h"):
        text = path.read_text()
        if "#pragma once" not in text:
            yield f"{path}: no #pragma once"
        head = text[: text.find("#pragma once")]
        if "Threads:" not in head:
            yield f"{path}: its head comment does not say which threads may use it"
        if re.search(r"^ \* (?!Owns:|Threads:|Errors:).*\b(Owns|Threads|Errors): ", head, re.M):
            yield f"{path}: Owns, Threads and Errors begin lines of their own in its head comment"
        done = subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Isrc", "-fsyntax-only", "-include", path, "-x", "c",
                               "/dev/null"], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            yield f"{path}: does not compile alone\n{done.stderr}"


DEFINED = re.compile(r"^(?!static\b|typedef\b|extern\b)\w[\w *]*?\b(\w+)\([^;{}]*\)\n\{", re.M)
INLINE = re.compile(r"^static inline[^{;]*\{.*?^\}", re.M | re.S)
RULE_OR_PROTOTYPE = re.compile(r"/\*.*?\*/|^(?!typedef\b)\w[\w *]*?\b(\w+)\([^;{}]*\)[^;{}]*;", re.M | re.S)


def check_sections():
    """`/* ---- a.c, b*.c: ... */` in a header: what stands below it is defined there."""
    defined = {(p.parent, m[1]): p.name for p in sources(".c") for m in DEFINED.finditer(p.read_text())}
    for path in sources(".h"):
        text, files = INLINE.sub(lambda m: "\n" * m[0].count("\n"), path.read_text()), []
        for m in RULE_OR_PROTOTYPE.finditer(text):
            line = text.count("\n", 0, m.start()) + 1
            if m[0].startswith("/* ----"):
                files = re.findall(r"[\w*]+\.c\b", m[0])
                yield from (f"{path}:{line}: there is no {f}" for f in files if not list(path.parent.glob(f)))
            elif m[1] and files:
                home = defined.get((path.parent, m[1]), "no file")
                if not any(fnmatch.fnmatch(home, f) for f in files):
                    yield f"{path}:{line}: {m[1]} is defined in {home}, not in {' or '.join(files)}"


def check_profiles():
    """Each profile of an identity provider can be configured, has its page and its story."""
    names = re.findall(r'\.name = STR_INIT\("([\w-]+)"\)', (SRC / "scim/dialect.c").read_text())
    grammar = (SRC / "config/grammar.c").read_text()
    words = re.search(r"profiles\[\] = \{(.*?)\{0\}\}", grammar, re.S)[1]
    if re.findall(r'\{"([\w-]+)", 0\}', words) != names:
        yield "src/config/grammar.c: scim.default_profile does not take the profiles of src/scim/dialect.c"
    same = {"entra-legacy": "entra", "default": "others", "strict": "others"}
    for name in names:
        page = same.get(name, name)
        text = ROOT / f"conf/providers/{page}.md"
        if page != "others" and not (ROOT / f"tests/e2e/test_story_{page}.py").is_file():
            yield f"src/scim/dialect.c: profile {name} has no tests/e2e/test_story_{page}.py"
        if not text.is_file() or f"`{name}`" not in text.read_text():
            yield f"conf/providers/{page}.md: does not speak of the profile {name}"
        if f"(conf/providers/{page}.md)" not in (ROOT / "README.md").read_text():
            yield f"README.md: does not link conf/providers/{page}.md"


SYNTAXES = {"26": "IA5 string", "7": "Boolean", "15": "UTF-8 string", "40": "octet string", "24": "generalizedTime"}


def schema_facts():
    """Of each attribute and class of conf/kiops.schema: its name and the line that stands below it in the page."""
    text = re.sub(r"\n +", " ", (ROOT / "conf/kiops.schema").read_text())
    for kind, oid, name, rest in re.findall(r"^(attributetype|objectclass) \( (\S+) NAME '(\w+)'(.*)$", text, re.M):
        arc = "Arc." + ".".join(oid.split(".")[-2:])
        if kind == "attributetype":
            syntax = SYNTAXES[re.search(r"SYNTAX [\d.]+\.(\d+)", rest)[1]]
            single = ", one value" if "SINGLE-VALUE" in rest else ""
            yield name, f"{arc}, {syntax}, {re.search('EQUALITY ([a-zA-Z0-9]+)', rest)[1]}{single}."
        else:
            must, may = re.search(r"MUST (\w+)", rest), re.search(r"MAY \( (.*?) \)", rest)
            yield name, arc + "." + (f" Must have {must[1]}." if must else "") + (f" May have {may[1].replace(' $ ', ', ')}." if may else "")


def check_pages():
    """The manual: well-formed; every attribute, class and command is there, and no other."""
    for page in sorted((ROOT / "conf/man").iterdir()):
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
        if done.returncode or done.stderr:
            yield f"{page}: {done.stderr}"
    entries = re.findall(r"^\.TP\n\.B (\w+)\n(.*)$", (ROOT / "conf/man/kiops-schema.7").read_text(), re.M)
    for wrong in set(entries) ^ set(schema_facts()):
        yield f"conf/man/kiops-schema.7, conf/kiops.schema: only one has {wrong}"
    commands = set(re.findall(r'\{"(\w+)", cli_\w+\}', (SRC / "main.c").read_text()))
    page = (ROOT / "conf/man/kiops-bridge.8").read_text()
    named = set(re.findall(r"^\.TP\n(?:\.B[RI]? \"?|\\fB)([a-z]+)\b", page[page.index(".SH COMMANDS"):page.index(".SH EXIT")], re.M))
    if commands != named:
        yield f"conf/man/kiops-bridge.8, src/main.c: only one has {commands ^ named}"


def main():
    objects, wanted = sys.argv[1], sys.argv[2:] or ["layers", "symbols", "sizes", "nesting", "headers", "sections", "profiles",
                                                "pages"]
    checks = {"layers": check_layers, "symbols": lambda: check_symbols(objects), "sizes": check_sizes,
              "nesting": check_nesting, "headers": check_headers, "sections": check_sections, "profiles": check_profiles, "pages": check_pages}
    findings = [finding for name in wanted for finding in checks[name]()]
    print("\n".join(findings) if findings else f"lint: {' '.join(wanted)} clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
