package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
	"github.com/conftool/confctl/pkg/store/local"
)

// watching is a watch that runs until the test ends. What it prints is read when
// the test asks for it.
type watching struct {
	testing.TB
	*exec.Cmd
	out   *bufio.Reader
	pipe  io.ReadCloser
	said  talk
	ended chan error
}

// talk is what a program says while it runs.
type talk struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *talk) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *talk) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// watchLine is a line that a watch prints.
type watchLine struct {
	Type   string
	Object struct {
		Type, Name string
		Tags       map[string]string
		Values     map[string]any
	}
	Before   map[string]any
	Revision int64
	Change   *string
	User     *string
}

// who is the object of a line.
func (l watchLine) who() string { return fmt.Sprint(l.Object.Type, l.Object.Tags, l.Object.Name) }

// watch starts a watch of what a selector chooses.
func (s *site) watch(words ...string) *watching {
	s.Helper()
	r, pipe, err := os.Pipe()
	if err != nil {
		s.Fatal(err)
	}
	w := &watching{TB: s.TB, Cmd: s.command(append([]string{"select"}, words...)...), out: bufio.NewReader(r), pipe: r, ended: make(chan error, 1)}
	w.run(pipe)
	return w
}

// run starts it with an output of which this process has no more need.
func (w *watching) run(out *os.File) {
	w.Helper()
	w.Stdout, w.Stderr = out, &w.said
	if err := w.Start(); err != nil {
		w.Fatal(err)
	}
	if err := out.Close(); err != nil {
		w.Fatal(err)
	}
	go func() { w.ended <- w.Wait() }()
	late := time.AfterFunc(time.Minute, func() { _ = w.Process.Kill() })
	w.Cleanup(func() {
		late.Stop()
		_ = w.Process.Kill()
	})
}

// line reads a line.
func (w *watching) line() (l watchLine) {
	w.Helper()
	text, err := w.out.ReadBytes('\n')
	if err != nil {
		w.Fatalf("the watch prints no more: %v", err)
	}
	if err := json.Unmarshal(text, &l); err != nil {
		w.Fatalf("%s: %v", text, err)
	}
	return l
}

// lines reads lines of one transaction.
func (w *watching) lines(n int) []watchLine {
	w.Helper()
	all := make([]watchLine, n)
	for i := range all {
		all[i] = w.line()
		if all[i].Revision != all[0].Revision || !reflect.DeepEqual(all[i].Change, all[0].Change) {
			w.Errorf("one change has lines %+v and %+v", all[0], all[i])
		}
	}
	return all
}

// bookmark reads what there is.
func (w *watching) bookmark() map[string]watchLine {
	w.Helper()
	found := make(map[string]watchLine)
	for {
		l := w.line()
		if l.Type == "bookmark" {
			return found
		}
		found[l.who()] = l
	}
}

// says waits until something was said as often as that.
func (w *watching) says(text string, times int) {
	w.Helper()
	for range 6000 {
		if strings.Count(w.said.String(), text) == times {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.Fatalf("%q is not said %d times: %q", text, times, w.said.String())
}

// ends waits until it has ended with an exit code, and returns what it said.
func (w *watching) ends(code int) string {
	w.Helper()
	select {
	case <-w.ended: //nolint:errcheck // the exit code says it
	case <-time.After(time.Minute):
		w.Fatal("it goes on")
	}
	if got := w.ProcessState.ExitCode(); got != code {
		w.Errorf("exit code %d, want %d: %s", got, code, w.said.String())
	}
	return w.said.String()
}

// TestWatchUnread: a watch ends when nobody reads it any more, although it has
// nothing to print.
func TestWatchUnread(t *testing.T) {
	t.Parallel()
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	unread := func(w *watching, away io.Closer) {
		t.Helper()
		w.bookmark()
		if err := away.Close(); err != nil {
			t.Fatal(err)
		}
		if said := w.ends(exitFailed); said != "" {
			t.Errorf("said %q", said)
		}
	}
	w := s.watch("dc=.*", "watch")
	unread(w, w.pipe)

	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(pair[1])
	ours := os.NewFile(uintptr(pair[1]), "socket")
	w = &watching{TB: t, Cmd: s.command("select", "dc=.*", "watch"), out: bufio.NewReader(ours), ended: make(chan error, 1)}
	w.run(os.NewFile(uintptr(pair[0]), "socket"))
	unread(w, ours)
}

// TestWatchInterrupted: asked to end, a watch does so as any command.
func TestWatchInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		w := s.watch("dc=.*", "watch")
		w.bookmark()
		if err := w.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if said := w.ends(exitFailed); said != "confctl: interrupted\n" {
			t.Errorf("%v: said %q", signal, said)
		}
	}
}

// TestWatchWho: each change has the id that the journal knows it by, and who made
// it; what was before is what the lines up to there have said.
func TestWatchWho(t *testing.T) {
	t.Parallel()
	s := newSite(t, localConfig)
	s.env = append(s.env, "EDITOR=sed -i -e s/inactive/no/")
	s.ok("sync", "--directory", "data")
	w := s.watch("dc=.*", "watch")
	state := w.bookmark()
	if len(state) != 7 {
		t.Fatalf("at first there are %d objects", len(state))
	}
	ids := map[string]string{}
	changes := func(user string, lines int, args ...string) {
		t.Helper()
		ids[user] = s.changed(user, args...)
		for _, l := range w.lines(lines) {
			if l.Change == nil || *l.Change != ids[user] || l.User == nil || os.Getuid() == 0 && *l.User != user {
				t.Errorf("%s, %q: %+v, want %s", user, args, l, ids[user])
			}
			l.follows(t, state)
		}
	}
	changes("alice", 5, "--yes", "select", "cluster=web,dc=north", "set/weight=10")
	s.file("state.yaml", s.ok("export"))
	changes("bob", 1, "select", "name=web9.example", "edit")
	changes("carol", 1, "select", "name=web9.example", "delete", "--allow", "min-pooled", "--reason", "x")
	changes("dave", 1, "sync", "--directory", "data")
	changes("erin", 5, "--yes", "undo", ids["alice"])
	changes("frank", 5, "--yes", "import", "state.yaml", "--overwrite")
	changes("grace", 2, "depool", "--hostname", "web2.example")
	changes("heidi", 2, "--yes", "undo", ids["grace"])

	past, err := local.Open(filepath.Join(s.dir, "state.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := past.Commit(t.Context(), store.Txn{Writes: []store.Write{
		{Key: "/conftool/v1/pools/south/web/http/web9.example", Value: []byte(`{"weight": 3}`)},
	}}); err != nil {
		t.Fatal(err)
	}
	l := w.line()
	if l.Change != nil || l.User != nil || l.Object.Values["weight"] != 3.0 {
		t.Errorf("past confctl: %+v", l)
	}
	l.follows(t, state)
	if err := past.Close(); err != nil {
		t.Fatal(err)
	}
}

// follows checks a line against what there was, which it changes.
func (l watchLine) follows(t testing.TB, state map[string]watchLine) {
	t.Helper()
	was, there := state[l.who()]
	if !maps.Equal(l.Before, was.Object.Values) || l.Before == nil == there {
		t.Errorf("%+v comes after %+v", l, was)
	}
	if l.Revision <= was.Revision {
		t.Errorf("revision %d comes after %d", l.Revision, was.Revision)
	}
	if delete(state, l.who()); l.Type == "put" {
		state[l.who()] = l
	}
}

// changed makes a change as a user, and returns the id by which the journal knows
// it.
func (s *site) changed(user string, args ...string) string {
	s.Helper()
	cmd := s.command(args...)
	cmd.Env = append(slices.Clone(s.env), "SUDO_USER="+user)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("%q: %v\n%s", args, err, out)
	}
	var record struct{ Event struct{ ID string } }
	if err := json.Unmarshal([]byte(s.ok("log", "-n", "1", "-o", "json")), &record); err != nil {
		s.Fatal(err)
	}
	return record.Event.ID
}

// stores are the drivers, each with a site on it and the store itself.
func stores(t testing.TB, each func(name string, s *site, direct store.Store)) {
	t.Helper()
	s := newSite(t, localConfig)
	direct, err := local.Open(filepath.Join(s.dir, "state.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	each("local", s, direct)
	server := etcdtest.Start(t)
	each("etcd", etcdSite(t, server.URL()), storeAt(t, server.URL()))
}

// TestWatchSlowReader: whatever happens while nobody reads comes later, whole and
// in order.
func TestWatchSlowReader(t *testing.T) {
	t.Parallel()
	const transactions, objects = 300, 3 // several times what a pipe holds
	stores(t, func(name string, s *site, direct store.Store) {
		s.ok("sync", "--directory", "data")
		w := s.watch("name=h.", "watch")
		w.bookmark()
		filled := make(chan error, 1)
		go func() { filled <- fillHosts(t.Context(), direct, transactions, objects) }()
		last := int64(0)
		for n := range transactions {
			if n < 50 { // soon there is more than a pipe holds
				time.Sleep(10 * time.Millisecond)
			}
			for i, l := range w.lines(objects) {
				before := float64(n - 1)
				if n == 0 {
					before = 0
				}
				if l.Object.Name != fmt.Sprint("h", i) || l.Object.Values["weight"] != float64(n) || n > 0 && l.Before["weight"] != before {
					t.Fatalf("%s: transaction %d, object %d: %+v", name, n, i, l)
				}
				if i == 0 && l.Revision <= last {
					t.Fatalf("%s: revision %d comes after %d", name, l.Revision, last)
				}
				last = l.Revision
			}
		}
		if err := <-filled; err != nil {
			t.Error(err)
		}
	})
}

// fillHosts commits transactions, numbered from 0, each with as many objects.
func fillHosts(ctx context.Context, s store.Store, transactions, objects int) error {
	for n := range transactions {
		var txn store.Txn
		for i := range objects {
			txn.Writes = append(txn.Writes, store.Write{
				Key: fmt.Sprintf("/conftool/v1/pools/north/web/http/h%d", i), Value: fmt.Appendf(nil, `{"weight": %d, "pooled": "yes"}`, n),
			})
		}
		if _, err := s.Commit(ctx, txn); err != nil {
			return err
		}
	}
	return nil
}

// TestWatchWithoutStore: a store that is not there at the beginning is an error;
// one that goes later is said to be away, and back.
func TestWatchWithoutStore(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	nowhere := etcdSite(t, "http://"+l.Addr().String())
	for _, words := range [][]string{{"dc=.*", "watch"}, {"dc=.*", "watch", "--after", "5"}} {
		w := nowhere.watch(words...)
		if said := w.ends(exitUnavailable); !strings.HasPrefix(said, "confctl: the store at http://127.0.0.1:") || strings.Count(said, "\n") != 1 {
			t.Errorf("%q: said %q", words, said)
		}
	}
}

// TestWatchOutage: a store that goes is said to be away, and back, and what was
// changed meanwhile is told, even if the store itself has forgotten that. Only a
// watch that never knew everything cannot go on then.
func TestWatchOutage(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	direct := etcdSite(t, server.URL())
	direct.ok("sync", "--directory", "data")
	direct.ok("select", "name=web9.example", "set/weight=11")
	relay := newRelay(t, strings.TrimPrefix(server.URL(), "http://"))
	s := etcdSite(t, "http://"+relay.address)
	s.file("confctl.yaml", "timeout: 300ms\n")
	w, resumed := s.watch("dc=south", "watch"), s.watch("dc=south", "watch", "--after", "2")
	state := w.bookmark()
	resumed.line()

	away := func(times int) {
		relay.cut()
		for _, w := range []*watching{w, resumed} {
			w.says("confctl: warning: store unavailable: http", times)
		}
	}
	away(1)
	direct.ok("select", "name=web9.example", "set/weight=12")
	id := direct.changed("alice", "select", "name=web9.example", "set/weight=13")
	relay.mend(t)
	w.line().follows(t, state)
	l := w.line()
	l.follows(t, state)
	if l.Change == nil || *l.Change != id {
		t.Errorf("%+v, want change %s", l, id)
	}
	resumed.line()
	resumed.line()

	away(2)
	direct.ok("select", "name=web9.example", "delete", "--allow", "min-pooled", "--reason", "x")
	direct.ok("sync", "--directory", "data")
	server.Compact(t, l.Revision+2)
	relay.mend(t)
	l = w.line()
	l.follows(t, state)
	if l.Type != "put" || l.Object.Values["weight"] != 0.0 || l.Change != nil {
		t.Errorf("the difference is %+v", l)
	}
	said := resumed.ends(exitFailed)
	if last := fmt.Sprintf("confctl: what happened after revision %d is not known", l.Revision-2); !strings.Contains(said, last) || !strings.HasSuffix(said, "without --after a watch begins with what there is\n") {
		t.Errorf("said %q, not %q", said, last)
	}
	if err := w.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if said := w.ends(exitFailed); strings.Count(said, "; trying again until it answers\nconfctl: the store is back\n") != 2 ||
		strings.Count(said, "confctl: warning: the store has forgotten what happened, or was put back") != 1 {
		t.Errorf("said %q", said)
	}
}

// BenchmarkWatch is how long it takes from before a commit until another program
// has the line of it, in milliseconds: the median, and what 99 of 100 stay below.
func BenchmarkWatch(b *testing.B) {
	stores(b, func(name string, s *site, direct store.Store) {
		s.ok("sync", "--directory", "data")
		b.Run(name, func(b *testing.B) {
			w := s.watch("name=h.", "watch")
			w.bookmark()
			read := make(chan time.Time, 1)
			go func() {
				defer close(read)
				for {
					if _, err := w.out.ReadBytes('\n'); err != nil {
						return
					}
					read <- time.Now()
				}
			}()
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				if err := fillHosts(b.Context(), direct, 1, 1); err != nil {
					b.Fatal(err)
				}
				took = append(took, (<-read).Sub(begun))
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1000, "median-ms")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
		})
	})
}
