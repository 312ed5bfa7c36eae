# kiops-bridge. `make help` lists the targets; `make run` and `make check` are the two a newcomer needs.
FLAVOR ?= debug
BUILD  ?= build
B      := $(BUILD)/$(FLAVOR)
CC     := $(if $(filter clang,$(FLAVOR)),clang-14,gcc)
PYTHON := /usr/bin/python3

VERSION    := 0.1
PREFIX     ?= /usr
SYSCONFDIR ?= /etc

# Debian 12. The first list builds and runs, the second one is for the tests, the third for `make deb` and `make deb-try`.
DEPS := gcc libc6-dev libldap-dev libcurl4-openssl-dev libjansson-dev libconfig-dev libmicrohttpd-dev libgnutls28-dev libjose-dev libsodium-dev \
        libunistring-dev libsystemd-dev uthash-dev slapd slapd-contrib ldap-utils curl python3
DEPS_CHECK := libcmocka-dev chromium chromium-driver python3-selenium fonts-noto-cjk python3-ldap python3-cryptography python3-pytest python3-pytest-xdist python3-hypothesis libfaketime nginx-light openssl systemd man-db clang-14 \
        clang-format-14 clang-tidy-14 libclang-rt-14-dev
DEPS_DEB := dpkg-dev debootstrap systemd-container

DEPS_389 := 389-ds-base

SRC   := $(sort $(wildcard src/*/*.c))
PURE  := $(filter src/base/% src/scim/% src/kiops/%,$(SRC))
REST  := $(filter-out $(PURE),$(SRC))
UNITS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZ  := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

WARN := -std=gnu17 -D_GNU_SOURCE -Werror -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
        -Wcast-qual -Wformat=2 -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
        -Wundef -Wswitch-enum -Wnull-dereference -Wimplicit-fallthrough
WARN += $(if $(findstring clang,$(CC)),-Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments \
        -Wno-gnu-auto-type,-Wlogical-op -Wduplicated-cond -Wjump-misses-init -ftrivial-auto-var-init=zero)

FLAGS_debug   := -O0 -g
FLAGS_clang   := -O1 -g
FLAGS_release := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
                 -fcf-protection -fPIE
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_analyze := -O1 -g -fanalyzer
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
FLAGS_fuzz    := $(FLAGS_asan) -fsanitize=fuzzer-no-link
LINK_release  := -pie -Wl,-z,relro,-z,now
LINK_asan     := -fsanitize=address,undefined
LINK_tsan     := -fsanitize=thread
LINK_fuzz     := -fsanitize=address,undefined,fuzzer

ALL_CFLAGS  := $(WARN) $(FLAGS_$(FLAVOR)) -pthread $(CFLAGS)
ALL_LDFLAGS := $(LINK_$(FLAVOR)) -pthread $(LDFLAGS)
PURE_LIBS   := -ljansson -lunistring -lsodium
LIBS        := -lldap -llber -lcurl -lconfig -lmicrohttpd -lgnutls -ljose -lsystemd $(PURE_LIBS)
ALL_A       := $(B)/librest.a $(B)/libpure.a
# gcc-12 and clang-14 sanitizers abort at random where the kernel randomises with 32 bits.
STEADY      := setarch -R

all: $(B)/kiops-bridge

$(B)/%.o: %.c ; @mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -Isrc -c -o $@ $<
$(B)/libpure.a: $(PURE:%.c=$(B)/%.o) ; @rm -f $@ && $(AR) rcs $@ $^
$(B)/librest.a: $(REST:%.c=$(B)/%.o) ; @rm -f $@ && $(AR) rcs $@ $^
$(B)/kiops-bridge: $(B)/src/main.o $(ALL_A) ; @$(CC) $(ALL_LDFLAGS) -o $@ $< $(ALL_A) $(LIBS)
# What the command line of make may say, and who is built again when it says something else.
PLACES := -DKIOPS_VERSION='"$(VERSION)"' -DKIOPS_CONF='"$(SYSCONFDIR)/kiops-bridge"' -DKIOPS_SHARE='"$(PREFIX)/share/kiops-bridge"'
$(B)/src/main.o $(B)/src/config/grammar.o: ALL_CFLAGS += $(PLACES)
$(B)/src/main.o $(B)/src/config/grammar.o: $(B)/places
$(B)/places: always ; @mkdir -p $(@D) && { echo "$(PLACES)" | cmp -s - $@ || echo "$(PLACES)" >$@; }
$(B)/src/console/files.o $(B)/src/console/shell.o: $(wildcard src/console/ui/*)
$(B)/src/directory/texts.o: conf/kiops.schema conf/acl.conf conf/acl-389ds.ldif conf/acl-plain.conf

# The pure folders' tests link nothing else: the linker proves that they are pure.
$(B)/unit/test_base_% $(B)/unit/test_scim_% $(B)/unit/test_kiops_%: UNIT_LIBS = $(B)/libpure.a $(PURE_LIBS)
$(B)/unit/%: UNIT_LIBS = $(ALL_A) $(LIBS)
$(B)/unit/%: $(B)/tests/unit/%.o $(ALL_A) ; @mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $< $(UNIT_LIBS) -lcmocka
$(B)/bench/%: $(B)/tests/bench/%.o $(ALL_A) ; @mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $< $(ALL_A) $(LIBS)
$(B)/tools/%: $(B)/tests/tools/%.o $(ALL_A) ; @mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $< $(ALL_A) $(LIBS)
$(B)/preload/%.so: tests/preload/%.c ; @mkdir -p $(@D) && $(CC) $(WARN) -O1 -g -fPIC -shared -o $@ $<
$(B)/replay/%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay_main.o $(ALL_A)
	@mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(ALL_A) $(LIBS)
$(B)/fuzz/%: $(B)/tests/fuzz/fuzz_%.o $(ALL_A) ; @mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $< $(ALL_A) $(LIBS)
.SECONDARY:

-include $(shell find $(B) -name '*.d' 2>/dev/null)

deps: ; @sh tests/run/deps.sh $(DEPS)
deps-check: ; @sh tests/run/deps.sh $(DEPS) $(DEPS_CHECK)
deps-389: deps-check ; @sh tests/run/deps.sh $(DEPS_389)

unit: $(UNITS) ## unit tests of this FLAVOR
	@for t in $(UNITS); do $(STEADY) timeout 120 $$t >$$t.log 2>&1 || { cat $$t.log; echo "FAILED $$t"; exit 1; }; done; \
	echo "unit ($(FLAVOR)): $(words $(UNITS)) programs passed"

replay: $(FUZZ:%=$(B)/replay/%) ## every committed fuzz input once
	@for t in $(FUZZ); do $(STEADY) $(B)/replay/$$t tests/fuzz/corpus/$$t $$(ls -d tests/fuzz/regress/$$t 2>/dev/null) \
	>$(B)/replay/$$t.log 2>&1 || { cat $(B)/replay/$$t.log; exit 1; }; done; echo "replay ($(FLAVOR)): $(words $(FUZZ)) targets"

TIDY := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(SRC))
$(BUILD)/tidy/%.ok: %.c .clang-tidy
	@mkdir -p $(@D) && clang-tidy-14 --quiet $< -- -std=gnu17 -D_GNU_SOURCE -Isrc 2>/dev/null && touch $@
format: ## formats every C file
	@clang-format-14 -i $$(git ls-files '*.c' '*.h')
lint: $(TIDY) $(ALL_A) ## layers, pure symbols, banned symbols, sizes, headers, format
	@$(PYTHON) tests/lint/lint.py $(B)
	@clang-format-14 --dry-run -Werror $$(git ls-files '*.c' '*.h')

E2E ?= tests/e2e
WORKERS ?= 3# modules at once, each with directories and bridges of its own; 0: in one process, for pdb and -s
# Killing and stopping at every step, the page in a browser: part of check, not of the developer's loop.
LONG := test_kill.py test_crash_points.py test_late_writes.py test_reconcile_kill_requests.py test_reconcile_kill_csv.py test_run.py test_check.py test_check_first.py test_check_texts.py test_check_deeds.py \
        test_check_servers.py test_push_kill.py test_page_access.py test_page_changes.py test_page_lists.py test_page_safety.py
e2e: $(B)/kiops-bridge $(patsubst tests/tools/%.c,$(B)/tools/%,$(wildcard tests/tools/*.c)) $(patsubst tests/preload/%.c,$(B)/preload/%.so,$(wildcard tests/preload/*.c)) ## real slapd, real bridge of this FLAVOR
	@KIOPS_BIN=$(abspath $(B))/kiops-bridge KIOPS_TOOLS=$(abspath $(B))/tools \
	PYTHONPATH=tests/conformance PYTHONHASHSEED=0 $(PYTHON) -m pytest -q -p no:cacheprovider -n $(WORKERS) --dist loadfile $(E2E)

conformance: deps-check ## each line of tests/conformance/checklist.md and each cell of rule-doors.md: passed, excused, FAILED or no test
	@$(MAKE) --no-print-directory -j2 FLAVOR=asan E2E="-p conformance -m 'line or cell' tests/e2e" e2e

run: deps ## slapd + bridge + sample data in the foreground
	@$(MAKE) --no-print-directory FLAVOR=release all
	@exec $(PYTHON) tests/run/run.py $(BUILD)/release/kiops-bridge # exec: Ctrl-C and TERM reach the run itself

first-contact: deps ## a directory of 20,000 foreign entries meets the bridge, as its administrator sees it
	@$(MAKE) --no-print-directory FLAVOR=release all
	@$(PYTHON) tests/run/first_contact.py $(BUILD)/release/kiops-bridge

quick: deps-check ## the developer's loop: lint, unit and end to end, sanitized
	@$(MAKE) --no-print-directory -j2 FLAVOR=asan lint unit all
	@$(MAKE) --no-print-directory FLAVOR=asan E2E="tests/e2e $(LONG:%=--ignore=tests/e2e/%)" e2e

check: deps-check ## everything: what .ci/run calls
	@$(MAKE) --no-print-directory -j2 FLAVOR=asan lint unit replay
	@$(MAKE) --no-print-directory -j2 FLAVOR=tsan unit
	@$(MAKE) --no-print-directory -j2 FLAVOR=clang all unit
	@$(MAKE) --no-print-directory -j2 FLAVOR=release all unit
	@$(MAKE) --no-print-directory FLAVOR=release E2E=tests/e2e/test_no_memory.py WORKERS=0 e2e # a sanitizer has an allocator of its own
	@$(MAKE) --no-print-directory -j2 FLAVOR=asan E2E="-p conformance tests/e2e" e2e # with the table of `make conformance`

check-389: deps-389 ## the end-to-end tests on 389 Directory Server; what cannot run there is named
	@$(MAKE) --no-print-directory -j2 FLAVOR=asan all
	@KIOPS_DIRECTORY=389ds $(MAKE) --no-print-directory FLAVOR=asan e2e

check-poll: deps-check ## the end-to-end tests on a slapd that does not tell its changes
	@$(MAKE) --no-print-directory -j2 FLAVOR=asan all
	@KIOPS_DIRECTORY=slapd-poll $(MAKE) --no-print-directory FLAVOR=asan e2e

directories: deps-389 ## the end-to-end tests on every kind of directory, and a table at the end
	@$(MAKE) --no-print-directory -j2 FLAVOR=asan all
	@failed=; for d in slapd slapd-poll 389ds plain; do \
	KIOPS_DIRECTORY=$$d $(MAKE) --no-print-directory FLAVOR=asan e2e || failed="$$failed $$d"; done; test -z "$$failed"

bench: deps-check ## the table of speeds and build/bench.json; of reconciliation build/bench-reconcile.json
	@$(MAKE) --no-print-directory -j2 FLAVOR=release all $(patsubst tests/bench/%.c,$(BUILD)/release/bench/%,$(wildcard tests/bench/*.c)) \
	$(BUILD)/release/tools/remote
	@KIOPS_BIN=$(abspath $(BUILD))/release/kiops-bridge $(PYTHON) tests/bench/bench.py
	@KIOPS_BIN=$(abspath $(BUILD))/release/kiops-bridge $(PYTHON) tests/bench/reconcile.py
	@KIOPS_BIN=$(abspath $(BUILD))/release/kiops-bridge $(PYTHON) tests/bench/page.py

PART ?= races kill properties nemesis
soak: deps-check ## the long tests, never CI: make soak PART=races (ten runs of 8 minutes), kill, properties, nemesis (an hour)
	@$(MAKE) --no-print-directory -j2 FLAVOR=asan all
	@for part in $(PART); do $(MAKE) --no-print-directory FLAVOR=asan soak-$$part || exit 1; done
soak-races: E2E := -rP tests/e2e/test_races.py tests/e2e/test_storm.py tests/e2e/test_next_write.py
soak-races:
	@export KIOPS_ROUNDS=$${KIOPS_ROUNDS:-1000} KIOPS_STORM=$${KIOPS_STORM:-60}; n=0; bad=; \
	while [ $$((n += 1)) -le $${KIOPS_RUNS:-10} ]; do echo "run $$n"; $(MAKE) -s E2E="$(E2E)" e2e || bad="$$bad $$n"; done; \
	[ -z "$$bad" ] || { echo "runs with findings:$$bad"; exit 1; }
soak-kill: ; @KIOPS_ROUNDS=$${KIOPS_ROUNDS:-20} $(MAKE) -s E2E=tests/e2e/test_kill.py e2e
soak-nemesis: ; @KIOPS_SOAK=$${KIOPS_SOAK:-3600} $(MAKE) -s E2E="-rP tests/e2e/test_soak.py" e2e
soak-properties: ; @KIOPS_PROPERTIES=5000 $(MAKE) -s E2E="$(wildcard tests/e2e/test_property_*.py)" e2e

mutants: deps-389 ## breaks named lines one by one; each must turn a test red
	@$(PYTHON) tests/mutants/mutants.py

T ?= filter
S ?= 60
fuzz: ## make fuzz T=filter S=60
	@$(MAKE) --no-print-directory FLAVOR=fuzz CC=clang-14 $(BUILD)/fuzz/fuzz/$(T)
	@mkdir -p $(BUILD)/fuzz/found/$(T)
	$(STEADY) $(BUILD)/fuzz/fuzz/$(T) -max_total_time=$(S) -artifact_prefix=$(BUILD)/fuzz/found/ \
	$(addprefix -dict=,$(wildcard tests/fuzz/$(T).dict)) $(BUILD)/fuzz/found/$(T) tests/fuzz/corpus/$(T)

analyze: ## gcc's static analyzer over every file
	@$(MAKE) --no-print-directory -j2 FLAVOR=analyze $(SRC:%.c=$(BUILD)/analyze/%.o)

UNITDIR    ?= /lib/systemd/system
SHARE      := $(PREFIX)/share
# Pages and units with the version and the folders of this installation.
FILLED     := sed -e 's,@VERSION@,$(VERSION),' -e 's,/usr/\(bin\|share\|share/doc\)/kiops,$(PREFIX)/\1/kiops,g' \
              -e 's,/etc/kiops,$(SYSCONFDIR)/kiops,g'
install: ## program, pages, units, schemas, LDAP texts, examples; DESTDIR, PREFIX, SYSCONFDIR as usual
	@$(MAKE) --no-print-directory FLAVOR=release all
	install -D -m 0755 $(BUILD)/release/kiops-bridge $(DESTDIR)$(PREFIX)/bin/kiops-bridge
	for d in . schemas resource-types examples; do \
	install -D -m 0644 -t $(DESTDIR)$(SHARE)/kiops-bridge/scim-schema/$$d scim-schema/$$d/*.json || exit 1; done
	install -D -m 0644 -t $(DESTDIR)$(SHARE)/kiops-bridge/ldap conf/kiops.schema conf/acl.conf conf/acl-389ds.ldif conf/acl-plain.conf
	install -D -m 0644 -t $(DESTDIR)$(SHARE)/doc/kiops-bridge README.md conf/nginx.conf.example conf/alerts.yml conf/upgrade.md
	install -D -m 0644 -t $(DESTDIR)$(SHARE)/doc/kiops-bridge/providers conf/providers/*.md
	install -D -m 0644 -t $(DESTDIR)$(SHARE)/doc/kiops-bridge/examples conf/kiops-bridge.conf
	for page in conf/man/*.[0-9]; do s=$${page##*.}; install -d $(DESTDIR)$(SHARE)/man/man$$s; \
	$(FILLED) $$page >$(DESTDIR)$(SHARE)/man/man$$s/$${page##*/} || exit 1; done
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	for unit in systemd/*.service systemd/*.socket systemd/*.timer; do $(FILLED) $$unit >$(DESTDIR)$(UNITDIR)/$${unit#systemd/} || exit 1; done
	install -m 0644 systemd/kiops-bridge.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/kiops-bridge.conf
	$(FILLED) systemd/kiops-bridge.tmpfiles >$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/kiops-bridge.conf
	install -d -m 0750 $(DESTDIR)$(SYSCONFDIR)/kiops-bridge # a configuration that is there stays
	test -e $(DESTDIR)$(SYSCONFDIR)/kiops-bridge/kiops-bridge.conf || \
	install -m 0640 conf/kiops-bridge.conf $(DESTDIR)$(SYSCONFDIR)/kiops-bridge/kiops-bridge.conf

deb: deps ## the Debian package, in build/deb
	@sh tests/run/deps.sh $(DEPS_DEB)
	@rm -rf $(BUILD)/deb/root && mkdir -p $(BUILD)/deb
	@umask 022 && $(MAKE) --no-print-directory -s install DESTDIR=$(abspath $(BUILD))/deb/root PREFIX=/usr SYSCONFDIR=/etc
	@sh conf/deb/build.sh $(BUILD)/deb/root $(VERSION) $(BUILD)/deb

deb-try: deps-check ## the package in a bare Debian 12 under build/deb-try: installs, serves, upgrades, purges; needs root
	@sh tests/run/deps.sh $(DEPS_DEB)
	@$(PYTHON) tests/run/deb_try.py $(BUILD)/deb-try

help:
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'
clean:
	@rm -rf $(BUILD)

.PHONY: always all deps deps-389 check-389 check-poll directories deps-check unit replay format lint e2e run first-contact quick conformance check bench soak mutants fuzz analyze install deb deb-try help clean
