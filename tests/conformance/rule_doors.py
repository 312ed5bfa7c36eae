"""rule-doors.md: which test proves each rule at each door. A test names its cells with the marker `cell`; the table names
the test, or why the cell cannot occur. Both must say the same."""

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
RULES = HERE.parents[1] / "src/kiops/codes.c"
FAULTS = ["fault-53", "fault-54"]
CANNOT = re.compile(r"[a-z]$")


def rows_of(text):
    """Cells of each table, header lines left out: lists of rows."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        yield lines[0], lines[2:]


class Table:
    def __init__(self, path=HERE / "rule-doors.md"):
        (_, doors), (head, matrix), (_, tests), (_, reasons) = rows_of(path.read_text())
        self.doors = {letter: name for letter, name, _ in doors}
        self.letters = head[1:]
        self.cells = {(row[0], self.doors.get(letter, letter)): cell.split()
                      for row in matrix for letter, cell in zip(self.letters, row[1:] + [""] * len(head))}
        self.rules = [row[0] for row in matrix]
        self.tests = {key: name for key, name in tests}
        self.reasons = {key: reason for key, reason in reasons}

    def functions(self, cell):
        return {self.tests[key] for key in self.cells[cell] if key in self.tests}

    def cannot_occur(self, cell):
        return bool(self.cells[cell]) and all(CANNOT.match(key) for key in self.cells[cell])

    def complaints(self, marked):
        """`marked`: (rule, door) -> names of the tests that bear the marker."""
        wanted = re.findall(r'^    \{"(KB-R\d\d)"', RULES.read_text(), re.M) + FAULTS
        if self.rules != wanted:
            yield f"rows are {self.rules}, not {wanted}"
        if self.letters != [*self.doors]:
            yield f"columns are {self.letters}, doors {[*self.doors]}"
        used = {key for keys in self.cells.values() for key in keys}
        for key in sorted(used ^ (self.tests.keys() | self.reasons.keys())):
            yield f"{key} stands in the table or in its lists, not in both"
        for cell in sorted(self.cells.keys() | marked.keys()):
            yield from self.complaints_of(cell, marked.get(cell, set()))

    def complaints_of(self, cell, proven_by):
        name = " ".join(cell)
        if cell not in self.cells:
            yield f"{name}: no such cell; marked in {sorted(proven_by)}"
        elif not self.cells[cell]:
            yield f"{name} is empty"
        elif self.functions(cell) != proven_by:
            yield f"{name}: the table names {sorted(self.functions(cell))}, marked are {sorted(proven_by)}"


def name_of(nodeid):
    """file:function of a test as pytest names it."""
    file, _, function = nodeid.partition("::")
    return f"{Path(file).stem}:{function.split('[')[0]}"


class Doors:
    """The table in a run: the outcome of each cell's tests."""

    MARKS = {"passed": "+", "cannot occur": ".", "FAILED": "X", "no test": "?"}

    def __init__(self, outcomes):
        self.table, self.outcomes, self.items = Table(), outcomes, {}

    def proves(self, cell, test):
        self.items.setdefault(cell, set()).add(test)

    def result(self, cell):
        if self.table.cannot_occur(cell):
            return "cannot occur"
        outcomes = {self.outcomes.get(test, "not run") for test in self.items.get(cell, ())}
        return "no test" if not outcomes else "passed" if outcomes == {"passed"} else "FAILED"

    def results(self):
        return {cell: self.result(cell) for cell in self.table.cells}

    def complaints(self):
        yield from self.table.complaints({cell: {*map(name_of, tests)} for cell, tests in self.items.items()})

    def broken(self):
        return [cell for cell, result in self.results().items() if result in ("FAILED", "no test")]

    def lines(self):
        results = self.results()
        yield f"{'':10}{' '.join(self.table.letters)}"
        for rule in self.table.rules:
            marks = [self.MARKS[results[rule, door]] for door in self.table.doors.values()]
            yield f"{rule:10}{' '.join(marks)}"
        yield ", ".join(f"{letter} {door}" for letter, door in self.table.doors.items())
        yield from (f"{' '.join(cell)}: {results[cell]}" for cell in self.broken())
        counts = ", ".join(f"{mark} {[*results.values()].count(kind)} {kind}" for kind, mark in self.MARKS.items())
        tests = len(set().union(*self.items.values())) if self.items else 0
        yield f"rules x doors: {len(results)} cells: {counts}; {tests} tests"
