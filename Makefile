# make test    what needs neither root nor anything but Go
# make ci      everything that must pass before a change lands; see .ci/run
# make parsers gets the apparmor_parser of other Debian releases, by apt, without root; the
#              tests of rules/apparmor find them where they are kept. See .ci/parsers
# make fuzz    every fuzz target in turn, each for TIME (10s, or 100000x by count). What is
#              found is kept in testdata/fuzz, to be committed with the mend.
# make attack  what a container, a user of the host or a sender of files could try: races,
#              forged runtimes, floods, full disks, kills; docs/security.md. Root.
# make lab     builds the guest with a kernel that has AppArmor: docs/lab.md. Root and apt.
#              KERNEL=6.12 or 7.2 for another than 6.1, here and below.
# make e2e     real containers on this machine's kernel: root, runc, busybox, gcc,
#              docker.io; docs/e2e.md. And the closed loop in the lab's guest, if it
#              is built. REQUIRE_KERNEL=1 fails where it would skip.
# make e2e-fleet
#              agents with the kernel's own records, killed at random for FLEET_FOR (1m)
#              together with the two servers of ClickHouse that they send to: docs/fleet.md.
#              What these answer, and what their names may hold, is asked before.
#              Root, and Debian's clickhouse-server and clickhouse-client.
# make fleet-scale BUCKETS=1000000
#              what an agent takes of its node, a week of a fleet takes of a server of
#              ClickHouse, and questions of it take: docs/fleet.md. Says figures.
# make lab-smoke, make lab-evidence
#              the closed loop alone: a part of its scenarios; all, with the table
#              written to docs/evidence.md (docs/evidence-6.12.md, docs/evidence-7.2.md).
# make lab-programs
#              the same with databases, mail, web and name servers and more, in a guest of
#              their own, written to docs/evidence-programs.md.
# make lab-runtimes
#              what each runtime of containers refuses, in a guest of their own with systemd, explained,
#              mended and run again, written to docs/evidence-runtimes.md.
# make release VERSION=0.1.0
#              what a release publishes, into dist/; TARGETS=linux/amd64 makes only that.
#              make release-test makes one twice and compares: docs/release.md.
# make newcomer
#              installs, uses and removes the package in clean Debian trees, as somebody
#              would who is new to it, and writes docs/newcomer.md. Root and apt.

.PHONY: test ci parsers fuzz attack e2e e2e-fleet fleet-scale lab lab-smoke lab-evidence lab-programs lab-runtimes release release-test newcomer

test:
	go test ./...

ci:
	.ci/run

parsers:
	.ci/parsers

TIME = 10s

fuzz:
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's/:func / /' | while read -r file target; do \
		go test "$$(dirname "$$file")" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(TIME) -fuzzminimizetime 1s || exit 1; \
	done

attack:
	REQUIRE_KERNEL=1 go test -tags e2e -count=1 -timeout 1h -p 1 -v -run '^TestAttack' ./testdata/e2e

# Debian 12's runc refuses the log flag of seccomp profiles. A newer one is
# built once and kept; without it (no network, no libseccomp-dev) those
# scenarios skip.
RUNC_VERSION = v1.5.2
CACHE = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/whydenied
E2E_RUNC ?= $(CACHE)/runc-$(RUNC_VERSION)

# Debian 13, for its engines, crun and libseccomp, where debootstrap is there: TestMatrix
# and TestEngines.
E2E_DEBIAN ?= $(CACHE)/debian-13-engines

e2e:
	@test -d "$(E2E_DEBIAN)" || testdata/e2e/newer.sh "$(E2E_DEBIAN)" || echo "no Debian 13: going on without its engines and libseccomp"
	@test -x "$(E2E_RUNC)" || $(MAKE) --no-print-directory "$(CACHE)/runc-$(RUNC_VERSION)" || echo "no runc that takes the log flag: going on without"
	E2E_RUNC=$$(test -x "$(E2E_RUNC)" && echo "$(E2E_RUNC)") E2E_DEBIAN=$$(test -d "$(E2E_DEBIAN)" && echo "$(E2E_DEBIAN)") KERNEL=$(KERNEL) go test -tags e2e -count=1 -timeout 2h -p 1 $(E2E_FLAGS) ./testdata/e2e ./parser/source ./explain/track ./rules/seccomp

FLEET_FOR = 1m

e2e-fleet:
	REQUIRE_KERNEL=1 go test -tags e2e -count=1 -timeout 1h -v -run '^TestFleet' ./testdata/e2e -fleet.for $(FLEET_FOR)

BUCKETS = 1000000

fleet-scale:
	REQUIRE_KERNEL=1 nice go test -tags e2e -count=1 -timeout 6h -v -run '^TestFleet(Node|Growth|Ingest|Scale)$$' ./testdata/e2e -fleet.buckets $(BUCKETS)

KERNEL = 6.1
LAB = REQUIRE_KERNEL=1 KERNEL=$(KERNEL) go test -tags e2e -count=1 -timeout 2h -v -run TestLab ./testdata/e2e

lab:
	KERNEL=$(KERNEL) testdata/lab/build.sh

lab-smoke: lab
	$(LAB) -lab.smoke

lab-evidence: lab
	$(LAB) -lab.evidence "$(CURDIR)/docs/evidence$(if $(filter-out 6.1,$(KERNEL)),-$(KERNEL)).md"

lab-programs: export PROGRAMS = all
lab-programs: lab
	$(LAB) -lab.evidence "$(CURDIR)/docs/evidence-programs.md"

# No suite of Debian has crictl.
CRICTL_VERSION = v1.37.0
E2E_CRICTL ?= $(CACHE)/crictl-$(CRICTL_VERSION)

lab-runtimes: export PROGRAMS = runtimes
lab-runtimes: lab
	@test -x "$(E2E_CRICTL)" || $(MAKE) --no-print-directory "$(CACHE)/crictl-$(CRICTL_VERSION)" || echo "no crictl: going on without the CRI"
	E2E_CRICTL=$$(test -x "$(E2E_CRICTL)" && echo "$(E2E_CRICTL)") KERNEL=$(KERNEL) go test -tags e2e -count=1 -timeout 2h -v -run '^TestRuntimes$$' ./testdata/e2e -runtimes.evidence "$(CURDIR)/docs/evidence-runtimes.md"

$(CACHE)/crictl-$(CRICTL_VERSION):
	mkdir -p "$(CACHE)/bin"
	CGO_ENABLED=0 GOBIN="$(CACHE)/bin" go install sigs.k8s.io/cri-tools/cmd/crictl@$(CRICTL_VERSION)
	mv "$(CACHE)/bin/crictl" "$@"

$(CACHE)/runc-$(RUNC_VERSION):
	mkdir -p "$(CACHE)/bin"
	CGO_ENABLED=1 GOBIN="$(CACHE)/bin" go install -tags seccomp github.com/opencontainers/runc@$(RUNC_VERSION)
	mv "$(CACHE)/bin/runc" "$@"

# What is published, below dist/: docs/release.md.
TARGETS =

release:
	go run -C .ci/release . -version "$(VERSION)" -out "$(CURDIR)/dist" -targets "$(TARGETS)"

release-test:
	go test -C .ci/release -count=1 -timeout 1h ./...

newcomer:
	.ci/newcomer
