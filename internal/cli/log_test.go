package cli

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestLogFollow: new records come as they are committed, those asked for, until
// ^C.
func TestLogFollow(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	term := s.terminal("log", "--follow", "--object", "web9", "--debug")
	term.expect("  sync  ")
	term.expect("local: watch")
	s.ok("select", "name=db1.example", "set/weight=11")
	s.ok("select", "name=web9.example", "set/weight=12")
	term.expect("  set/weight=12  name=web9.example  1 object  ")
	term.typ("\x03")
	term.expect("confctl: interrupted")
	term.end(exitFailed)
	if shown := term.shown(); strings.Contains(shown, "weight=11") || strings.Count(shown, "weight=12") != 1 {
		t.Errorf("shown:\n%s", shown)
	}
}

// TestLogFollowOutlastsTheStore: a store that is away ends nothing. It is told
// once, and what came meanwhile is not missed.
func TestLogFollowOutlastsTheStore(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	direct := etcdSite(t, server.URL())
	direct.ok("sync", "--directory", "data")
	line := newRelay(t, strings.TrimPrefix(server.URL(), "http://"))
	s := etcdSite(t, "http://"+line.address)
	s.file("confctl.yaml", "timeout: 300ms\n")

	term := s.terminal("log", "-f", "-n", "1")
	term.expect("  sync  ")
	direct.ok("select", "name=web9.example", "set/weight=11")
	term.expect("  set/weight=11  ")
	line.cut()
	term.expect("confctl: warning: store unavailable: ")
	direct.ok("select", "name=web9.example", "set/weight=12")
	time.Sleep(1500 * time.Millisecond) // another attempt fails
	line.mend(t)
	term.expect("confctl: the store is back")
	term.expect("  set/weight=12  ")
	direct.ok("select", "name=web9.example", "set/weight=13")
	term.expect("  set/weight=13  ")
	term.typ("\x03")
	term.end(exitFailed)
	for text, want := range map[string]int{"warning": 1, "is back": 1, "sync": 1, "weight=11": 1, "weight=12": 1, "weight=13": 1} {
		if got := strings.Count(term.shown(), text); got != want {
			t.Errorf("%q is shown %d times, want %d:\n%s", text, got, want, term.shown())
		}
	}
}

// relay is a connection to a server that can be cut and mended.
type relay struct {
	address, server string
	mu              sync.Mutex
	listener        net.Listener
	open            []net.Conn
	down            bool
}

func newRelay(t *testing.T, server string) *relay {
	t.Helper()
	r := &relay{address: "127.0.0.1:0", server: server}
	r.mend(t)
	t.Cleanup(r.cut)
	return r
}

func (r *relay) mend(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	r.listener, r.address = l, l.Addr().String()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			r.join(from)
		}
	}()
}

func (r *relay) join(from net.Conn) {
	to, err := net.Dial("tcp", r.server)
	if err != nil {
		_ = from.Close()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open = append(r.open, from, to); r.down { // it was on its way in
		_, _ = from.Close(), to.Close()
		return
	}
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // ends when either end does
			_ = pair[0].Close()
		}()
	}
}

func (r *relay) cut() {
	_ = r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		_ = c.Close()
	}
	r.open, r.down = nil, true
}

// FuzzLogColumns: no text makes a list wider than it is to be, nor does
// anything a terminal acts on; the id stands whole at the end.
func FuzzLogColumns(f *testing.F) {
	texts := []string{"", "x", strings.Repeat("x", 79), strings.Repeat("long ", 40), strings.Repeat("ü", 100), "\x1b[2J\n\r\t\x00", strings.Repeat("a\n", 90), "\xff\u202e"}
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 100 * len(texts) {
		some := func() string { return texts[random.IntN(len(texts))] }
		f.Add(texts[i%len(texts)], some(), some(), some(), some(), some())
	}
	f.Fuzz(func(t *testing.T, action, reason, selector, task, user, host string) {
		r := sal.Stored{}
		r.Event.ID = "20260102T030405.678900Z-0a1b2c3d"
		r.Event.Action, r.Event.Reason = action, reason
		r.Change.Selector, r.Change.Task = selector, task
		r.User.Name, r.Host.Name = user, host
		cells := logColumns(r, "")
		for _, c := range cells {
			if utf8.RuneCountInString(c) > 80 || strings.ContainsFunc(c, unicode.IsControl) {
				t.Fatalf("cell %q", c)
			}
		}
		if cells[len(cells)-1] != r.Event.ID {
			t.Fatalf("the last of %q", cells)
		}
	})
}

// TestLogWhyKeepsTheTask: of a long reason, the end is cut and not the task.
func TestLogWhyKeepsTheTask(t *testing.T) {
	for _, c := range []struct{ reason, task, want string }{
		{"", "", ""},
		{"disk", "", "disk"},
		{"", "T1", "T1"},
		{"disk", "T1", "disk (T1)"},
		{strings.Repeat("x", 80), "", strings.Repeat("x", 80)},
		{strings.Repeat("x", 81), "", strings.Repeat("x", 79) + "…"},
		{strings.Repeat("x", 75), "T1", strings.Repeat("x", 75) + " (T1)"},
		{strings.Repeat("x", 76), "T1", strings.Repeat("x", 74) + "… (T1)"},
		{strings.Repeat("x", 76), strings.Repeat("T", 90), strings.Repeat("x", 36) + "… (" + strings.Repeat("T", 39) + "…)"},
	} {
		r := sal.Record{Event: sal.Event{Reason: c.reason}, Change: sal.ChangeRecord{Task: c.task}}
		if got := whyCell(r); got != c.want {
			t.Errorf("%d letters, task %q: %q, want %q", len(c.reason), c.task, got, c.want)
		}
	}
}

// TestLogOutcomes: what the list says of how a change went.
func TestLogOutcomes(t *testing.T) {
	two := []sal.Object{{}, {}}
	for _, c := range []struct {
		change sal.ChangeRecord
		undone string
		want   string
	}{
		{sal.ChangeRecord{Objects: two[:1]}, "", "1 object"},
		{sal.ChangeRecord{Objects: two, Gone: true}, "", "2 objects, gone"},
		{sal.ChangeRecord{Objects: two, Emergency: true, Overrides: []string{"a", "b"}}, "", "2 objects, emergency, overrode a and b"},
		{sal.ChangeRecord{Objects: two, Held: 3}, "x", "2 objects, 3 held back, undone"},
		{sal.ChangeRecord{Objects: two, Overrides: []string{"a"}}, "x", "2 objects, overrode a, undone"},
	} {
		if got := outcomeText(sal.Record{Change: c.change}, c.undone); got != c.want {
			t.Errorf("%+v: %q, want %q", c.change, got, c.want)
		}
	}
	refused := sal.Record{Event: sal.Event{Outcome: sal.Failure}}
	for levels, want := range map[[3]string]string{
		{}:                                   "refused by a, b", // as earlier versions wrote it
		{"warned", "refused", "warned"}:      "refused by b",
		{"refused", "refused", "overridden"}: "refused by a, b",
	} {
		refused.Change.Findings = nil
		for i, level := range levels {
			refused.Change.Findings = append(refused.Change.Findings, sal.Finding{Rule: fmt.Sprintf("%c", "aba"[i]), Level: level})
		}
		if got := outcomeText(refused, ""); got != want {
			t.Errorf("%q: %q, want %q", levels, got, want)
		}
	}
}
