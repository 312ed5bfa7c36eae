"""The scripted first contact (`make first-contact`) with fewer entries; what it promises it checks itself."""

import os
import subprocess

from kiopslab.bridge import REPOSITORY
from lab import BINARY


def test_the_first_contact_keeps_its_promises(tmp_path):
    done = subprocess.run(["/usr/bin/python3", str(REPOSITORY / "tests/run/first_contact.py"), BINARY], capture_output=True, text=True,
                          check=False, env={**os.environ, "KIOPS_USERS": "700", "KIOPS_RUN_DIR": str(tmp_path / "contact")})
    assert done.returncode == 0 and done.stdout.endswith("as promised\n"), done.stdout[-3000:] + done.stderr
    assert done.stdout.count("as before") == 4 and "NOT as" not in done.stdout
