package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
	"github.com/conftool/confctl/pkg/store/local"
)

// The pool of TestStorm.
const (
	stormHosts   = 20
	stormFloor   = 15 // of so many, by the built-in rule
	stormPool    = "/conftool/v1/pools/north/storm/https/"
	stormJournal = "/conftool/.confctl/journal/"
)

// roundsVariable says how many rounds there are on each store.
const roundsVariable = "CONFCTL_ROUNDS"

// TestStorm has many processes of the program take hosts out of one pool, all
// of which have decided on the same state of it. At no revision may the pool be
// below its floor, and each process that says it made a change made it once.
func TestStorm(t *testing.T) {
	rounds := stormRounds(t)
	for _, name := range []string{"etcd", "local"} {
		t.Run(name, func(t *testing.T) {
			st := newStorm(t, name)
			told := map[int]int{} // how many processes ended with each exit code
			for i := range rounds {
				t.Run(strconv.Itoa(i), func(t *testing.T) { st.round(t, i, told) })
			}
			t.Logf("%d rounds: %d processes did something or had nothing to do, %d were refused, %d gave up against the others",
				rounds, told[exitDone], told[exitRefused], told[exitConflict])
		})
	}
}

func stormRounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv(roundsVariable)
	switch {
	case text == "" && testing.Short():
		return 1
	case text == "":
		return 2 // of which one has processes that start late
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is a number of rounds, not %q", roundsVariable, text)
	}
	return n
}

// stormProcesses is how many processes there are in a round.
func stormProcesses() int {
	if underRace() {
		return 16 // still several for each that may
	}
	return 32
}

// underRace reports whether this program has the race detector in it.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// storm is a site, and its store as somebody else sees it.
type storm struct {
	*site
	store store.Store
}

func newStorm(t *testing.T, driver string) *storm {
	t.Helper()
	st := &storm{}
	var err error
	if driver == "etcd" {
		url := etcdtest.Start(t).URL()
		st.site = etcdSite(t, url)
		st.store, err = etcd.Open(etcd.Config{Endpoints: []string{url}})
	} else {
		st.site = newSite(t, localConfig)
		st.store, err = local.Open(filepath.Join(st.dir, "state.db"), local.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// round fills the pool, lets the processes loose, and looks at what they did.
func (st *storm) round(t *testing.T, number int, told map[int]int) {
	start := st.fill(t)
	processes := st.rush(t, number)
	out := map[int]int{}
	for _, p := range processes {
		p.check(t)
		told[p.code]++
		out[p.code]++
	}
	if out[exitDone] == 0 || out[exitRefused] == 0 {
		t.Errorf("by exit code: %v; some have to be done, and some refused", out)
	}
	st.judge(t, st.replay(t, start), processes)
}

// fill pools all hosts, and returns the revision at which they are.
func (st *storm) fill(t *testing.T) store.Revision {
	t.Helper()
	var txn store.Txn
	for i := range stormHosts {
		txn.Writes = append(txn.Writes, store.Write{Key: stormPool + stormHost(i), Value: []byte(`{"weight": 10, "pooled": "yes"}`)})
	}
	if _, err := st.store.Commit(t.Context(), txn); err != nil {
		t.Fatal(err)
	}
	now, err := st.store.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return now.Revision
}

func stormHost(i int) string { return fmt.Sprintf("host%02d.example", i) }

// rush starts the processes, lets them go on at once when all have read and
// ask, and returns when all have ended. In every other round, some of them
// are only started then: they take out one host, and do not ask.
func (st *storm) rush(t *testing.T, number int) []*stormProcess {
	t.Helper()
	late := number % 2 * stormProcesses() / 4
	var all []*stormProcess
	for range stormProcesses() - late {
		two := rand.Perm(stormHosts)[:2]
		chosen := fmt.Sprintf("dc=north,cluster=storm,service=https,name=(%s|%s)", stormHost(two[0]), stormHost(two[1]))
		all = append(all, st.start(t, "select", chosen, "set/pooled=no"))
	}
	for _, p := range all {
		p.await(t, p.asked)
	}
	asking := all
	for range late {
		all = append(all, st.start(t, "depool", "--hostname", stormHost(rand.IntN(stormHosts))))
	}
	for _, p := range asking {
		if _, err := io.WriteString(p.stdin, "y\n"); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range all {
		p.await(t, p.ended)
		p.code = p.cmd.ProcessState.ExitCode()
	}
	return all
}

// stormProcess is a run of the program.
type stormProcess struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	out, err bytes.Buffer
	asked    chan struct{} // closed when it asks, or has ended
	ended    chan struct{} // closed when it has ended
	code     int
}

func (st *storm) start(t *testing.T, args ...string) *stormProcess {
	t.Helper()
	p := &stormProcess{cmd: st.command(args...), asked: make(chan struct{}), ended: make(chan struct{})}
	stdout, stdoutErr := p.cmd.StdoutPipe()
	stdin, stdinErr := p.cmd.StdinPipe()
	if stdoutErr != nil || stdinErr != nil {
		t.Fatal(stdoutErr, stdinErr)
	}
	p.stdin, p.cmd.Stderr = stdin, &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(stdout)
	t.Cleanup(func() { // of a test that has failed on the way
		_ = p.cmd.Process.Kill() // it mostly has ended
		<-p.ended
	})
	return p
}

// follow reads what the process prints, up to its end.
func (p *stormProcess) follow(stdout io.Reader) {
	defer close(p.ended)
	asked := false
	for buf := make([]byte, 4096); ; {
		n, err := stdout.Read(buf)
		p.out.Write(buf[:n])
		if !asked && (err != nil || bytes.Contains(p.out.Bytes(), []byte("confctl>"))) {
			asked = true
			close(p.asked)
		}
		if err != nil {
			break
		}
	}
	if err := p.cmd.Wait(); err != nil {
		fmt.Fprintf(&p.err, "[%v]\n", err)
	}
}

func (p *stormProcess) await(t *testing.T, what <-chan struct{}) {
	t.Helper()
	select {
	case <-what:
	case <-time.After(time.Minute):
		t.Fatalf("%s: neither asks nor ends", p)
	}
}

func (p *stormProcess) String() string { return strings.Join(p.cmd.Args, " ") }

// check looks at how the process ended, and at what it said about that.
func (p *stormProcess) check(t *testing.T) {
	t.Helper()
	var fits bool
	switch out, talk := p.out.String(), p.err.String(); p.code {
	case exitDone:
		fits = (p.made() == "") == strings.HasSuffix(out, "no change\n")
	case exitRefused:
		fits = p.made() == "" && strings.Contains(talk, "refused by min-pooled, nothing changed")
	case exitConflict:
		fits = p.made() == "" && strings.Contains(talk, "others kept changing the same")
	}
	if !fits {
		t.Errorf("%s: exit code %d\n%s%s", p, p.code, p.out.String(), p.err.String())
	}
}

// made returns the id of the change that the process says it made.
func (p *stormProcess) made() string {
	found := regexp.MustCompile(`undo: confctl undo (\S+)`).FindStringSubmatch(p.err.String())
	if found == nil {
		return ""
	}
	return found[1]
}

// replay returns all transactions after a revision, up to now.
func (st *storm) replay(t *testing.T, after store.Revision) []store.Batch {
	t.Helper()
	now, err := st.store.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []store.Batch
	for batch, err := range st.store.Watch(ctx, after, "/conftool/") {
		if err != nil {
			t.Fatal(err)
		}
		if len(batch.Events) > 0 {
			all = append(all, batch)
		}
		if batch.Revision >= now.Revision {
			return all
		}
	}
	t.Fatalf("the watch ended before revision %d", now.Revision)
	return nil
}

// judge goes through all transactions: none leaves too few hosts, each that
// takes some out has one record that says just that, and the records are of the
// processes that say they made a change.
func (st *storm) judge(t *testing.T, batches []store.Batch, processes []*stormProcess) {
	t.Helper()
	out := map[string]bool{}
	var recorded, course []string
	for _, b := range batches {
		ids, inRecord, left := stormBatch(t, b)
		for _, host := range left {
			if out[host] {
				t.Errorf("revision %d: %s is taken out twice", b.Revision, host)
			}
			out[host] = true
		}
		if !slices.Equal(left, inRecord) || len(left) > 0 && len(ids) != 1 {
			t.Errorf("revision %d: takes out %v, and has records %v of %v", b.Revision, left, ids, inRecord)
		}
		recorded = append(recorded, ids...)
		if len(left) > 0 {
			course = append(course, strconv.Itoa(stormHosts-len(out)))
		}
	}
	// Nobody comes back, so there never were fewer than now.
	if serve := stormHosts - len(out); serve < stormFloor {
		t.Errorf("below the floor of %d: one after another left %s", stormFloor, strings.Join(course, ", "))
	}
	checkMade(t, recorded, processes)
	if got := st.served(t); got != stormHosts-len(out) {
		t.Errorf("%d hosts serve, but %d were taken out of %d", got, len(out), stormHosts)
	}
}

// checkMade compares the changes in the journal with those that the processes
// say they made: both are the same, each once.
func checkMade(t *testing.T, recorded []string, processes []*stormProcess) {
	t.Helper()
	var said []string
	for _, p := range processes {
		if id := p.made(); id != "" {
			said = append(said, id)
		}
	}
	slices.Sort(said)
	if slices.Sort(recorded); !slices.Equal(said, recorded) || len(slices.Compact(said)) != len(recorded) {
		t.Errorf("in the journal are %v, but the processes say %v", recorded, said)
	}
}

// stormBatch returns which hosts a transaction takes out, and what it has of
// records of changes that were made: their ids, and which hosts they name. No
// host may come back.
func stormBatch(t *testing.T, b store.Batch) (ids, recorded, left []string) {
	t.Helper()
	for _, e := range b.Events {
		if host, ok := strings.CutPrefix(e.Key, stormPool); ok {
			left = append(left, host)
			if e.Deleted || stormServes(t, e.Value) {
				t.Errorf("revision %d: %s is %q", b.Revision, host, e.Value)
			}
		}
		if !strings.HasPrefix(e.Key, stormJournal) {
			continue
		}
		r, err := sal.ParseRecord(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		if r.Refused() {
			continue
		}
		ids = append(ids, r.Event.ID)
		for _, o := range r.Change.Objects {
			recorded = append(recorded, o.Path[strings.LastIndexByte(o.Path, '/')+1:])
		}
	}
	slices.Sort(recorded)
	return ids, recorded, left
}

// served counts what serves in the pool now.
func (st *storm) served(t *testing.T) int {
	t.Helper()
	now, err := st.store.Read(t.Context(), stormPool)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range now.Entries {
		if stormServes(t, e.Value) {
			n++
		}
	}
	return n
}

// stormServes reads a stored host as a load balancer does.
func stormServes(t *testing.T, stored []byte) bool {
	t.Helper()
	var host struct {
		Weight int
		Pooled string
	}
	if err := json.Unmarshal(stored, &host); err != nil {
		t.Fatal(err)
	}
	return host.Pooled == "yes" && host.Weight > 0
}
