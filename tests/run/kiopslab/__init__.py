"""A private directory and bridges on loopback, for `make run` and the tests.

process.py  a server process: start, wait until it answers, stop
site.py     the names and passwords of the sample directory
entries.py  what stands in it, as LDIF: the base, the sample people, generated people
foreign.py  the same of a directory that was never prepared
slapd.py    the directory
bridge.py   a bridge and its configuration
"""
