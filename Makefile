# kiops-bridge. `make help` lists the targets; `make run` and `make check` are the two that a newcomer needs.
FLAVOR ?= debug
BUILD  ?= build
B      := $(BUILD)/$(FLAVOR)
CC     ?= gcc
PKGS   := jansson libconfig libmicrohttpd jose libsodium libcurl libsystemd

SRC   := $(sort $(wildcard src/*/*.c))
PURE  := $(filter src/base/% src/scim/% src/kiops/%,$(SRC))
REST  := $(filter-out $(PURE),$(SRC))

WARN := -std=gnu17 -D_GNU_SOURCE -Werror -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
        -Wcast-qual -Wformat=2 -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
        -Wundef -Wswitch-enum -Wnull-dereference -Wimplicit-fallthrough
IS_CLANG := $(findstring clang,$(CC))
WARN += $(if $(IS_CLANG),-Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments -Wno-gnu-auto-type,\
        -Wlogical-op -Wduplicated-cond -Wjump-misses-init -ftrivial-auto-var-init=zero)

FLAGS_debug   := -O0 -g
FLAGS_release := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
                 -fcf-protection -fPIE
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
LINK_release  := -pie -Wl,-z,relro,-z,now
LINK_asan     := -fsanitize=address,undefined
LINK_tsan     := -fsanitize=thread

ALL_CFLAGS := $(WARN) $(FLAGS_$(FLAVOR)) -pthread $(CFLAGS)
ALL_LDFLAGS := $(LINK_$(FLAVOR)) -pthread $(LDFLAGS)
PURE_LIBS := -ljansson -lunistring -lsodium
LIBS := -lldap -llber -lcurl -lconfig -lmicrohttpd -ljose -lsystemd $(PURE_LIBS)

all: $(B)/kiops-bridge

$(B)/%.o: %.c ; @mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -Isrc -c -o $@ $<
$(B)/libpure.a: $(PURE:%.c=$(B)/%.o) ; @rm -f $@ && $(AR) rcs $@ $^
$(B)/librest.a: $(REST:%.c=$(B)/%.o) ; @rm -f $@ && $(AR) rcs $@ $^
$(B)/kiops-bridge: $(B)/src/main.o $(B)/librest.a $(B)/libpure.a
	@$(CC) $(ALL_LDFLAGS) -o $@ $(B)/src/main.o -Wl,--start-group $(B)/librest.a $(B)/libpure.a -Wl,--end-group $(LIBS)

# Debian 12. The first list builds and runs, the second one is for the tests.
DEPS := gcc libc6-dev libldap-dev libcurl4-openssl-dev libjansson-dev libconfig-dev libmicrohttpd-dev libjose-dev libsodium-dev \
        libunistring-dev libsystemd-dev uthash-dev slapd ldap-utils curl python3
DEPS_CHECK := libcmocka-dev python3-ldap python3-pytest python3-hypothesis clang-14 clang-format-14 clang-tidy-14

deps: ; @sh tests/run/deps.sh $(DEPS)
deps-check: ; @sh tests/run/deps.sh $(DEPS) $(DEPS_CHECK)

# exec: Ctrl-C and TERM reach the run itself.
run: deps
	@$(MAKE) --no-print-directory FLAVOR=release all
	@exec /usr/bin/python3 tests/run/run.py $(BUILD)/release/kiops-bridge

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: all deps deps-check run
