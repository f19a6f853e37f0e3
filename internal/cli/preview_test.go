package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store/local"
)

// TestQuestionOnATerminal: the listing is a line a group, what would change is
// in colour, and the summary stands directly above the question.
func TestQuestionOnATerminal(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	term := s.terminal("select", "dc=north", "set/weight=3")
	term.Expect("confctl>")
	term.Expect("  /north/web/http: 3: web1.example web2.example web3.example\r\n")
	term.Expect("\x1b[33m~ north/web/http/web1.example: weight changed 0 => 3\x1b[0m\r\n")
	term.Expect("6 objects would change\r\nOk to continue? [y/N]\r\nconfctl>")
	term.Type("n\n")
	term.end(exitDeclined)
}

// TestSomebodyElseJustNow: whoever is asked learns that somebody else has
// changed the same objects in the last five minutes, and why.
func TestSomebodyElseJustNow(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.append(recordBy("bob", time.Now().Add(-2*time.Minute), "north/web/http/web1.example"))
	s.append(recordBy("carol", time.Now().Add(-10*time.Minute), "north/web/http/web1.example"))
	s.append(recordBy("dave", time.Now(), "north/web/http/web3.example"))
	s.append(recordBy(new(globals).whoami().Name, time.Now(), "north/web/http/web1.example"))
	_, stderr, code := s.run("select", "name=web1.example", "set/weight=3")
	want := "confctl: warning: 2m ago bob@elsewhere changed 1 object of these: set/pooled=no - new kernel (T7)\n"
	if code != exitDeclined || !strings.Contains(stderr, want+"2 objects would change\n") || strings.Count(stderr, "ago") != 1 {
		t.Errorf("exit code %d, %q, want %q", code, stderr, want)
	}
}

func recordBy(user string, when time.Time, path string) sal.Record {
	id := sal.NewID(when)
	return sal.Record{
		Time:   when.UTC(),
		Event:  sal.Event{ID: id, Action: "set/pooled=no", Outcome: sal.Success, Reason: "new kernel"},
		User:   sal.User{Name: user},
		Host:   sal.Host{Name: "elsewhere"},
		Change: sal.ChangeRecord{Run: id, Task: "T7", Objects: []sal.Object{{Type: "node", Path: path}}},
	}
}

// append writes a record to the journal of a site on the embedded store.
func (s *site) append(r sal.Record) {
	s.Helper()
	l, err := local.Open(filepath.Join(s.dir, "state.db"), local.Options{})
	if err != nil {
		s.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it was written already
	journal := sal.Log{Store: l, Prefix: catalog.New(l, "/conftool", "v1").Own("")}
	if err := journal.Append(s.Context(), r); err != nil {
		s.Fatal(err)
	}
}

// TestManyChangesAreCounted: more than 50 are a line a group, with what happens
// to them.
func TestManyChangesAreCounted(t *testing.T) {
	s := newSite(t, localConfig)
	var data strings.Builder
	data.WriteString("north:\n  big:\n")
	for i := range 60 {
		fmt.Fprintf(&data, "    host%02d.example: [http]\n", i)
	}
	s.file("data/node/north.yaml", data.String())
	s.ok("sync", "--directory", "data")
	s.ok("--yes", "select", "name=host0.*", "set/weight=1")
	_, stderr, code := s.run("select", "cluster=big", "set/weight=5")
	want := "~ node north/big/http: 60: weight changed 1 => 5 (10); weight changed 0 => 5 (50)\n60 objects would change\n"
	if code != exitDeclined || !strings.HasPrefix(stderr, want) {
		t.Errorf("exit code %d, %q, want %q", code, stderr, want)
	}
}

// TestLargeValuesAreShownByLine, as a diff.
func TestLargeValuesAreShownByLine(t *testing.T) {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	long := func(last string) string {
		return `set/rollout={"a":"` + strings.Repeat("x", 100) + `","b":"` + strings.Repeat("y", 100) + `","c":"` + last + `"}`
	}
	words := func(last string) []string {
		return []string{"--object-type", "feature", "select", "name=dark", "set", strings.TrimPrefix(long(last), "set/")}
	}
	s.ok(words("one")...)
	got := s.ok(append([]string{"--dry-run"}, words("two")...)...)
	if !strings.Contains(got, "~ prod/dark: rollout changed:\n") || !strings.Contains(got, "    -c: one\n    +c: two\n") || strings.Contains(got, "-a:") {
		t.Error(got)
	}
}
