package sal

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/pkg/value"
)

// TestIDsSortByTime: an id begins with the time in UTC.
func TestIDsSortByTime(t *testing.T) {
	zone := time.FixedZone("east", 3600)
	a := NewID(time.Date(2026, 1, 2, 0, 30, 0, 999, zone))
	b := NewID(time.Date(2026, 1, 2, 0, 30, 0, 5000, zone))
	if !strings.HasPrefix(a, "20260101T233000.000000Z-") || a >= b {
		t.Errorf("%s, then %s", a, b)
	}
	if c := NewID(time.Date(2026, 1, 2, 0, 30, 0, 999, zone)); c == a {
		t.Errorf("the same id twice: %s", c)
	}
}

func TestRecordKeepsValuesAsTheyAre(t *testing.T) {
	parse := func(text string) value.Value {
		v, err := value.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	r := Record{
		Time:    time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		Event:   Event{ID: "id", Action: "set/a=<b>"},
		User:    User{Name: "alice", ID: "0"},
		Host:    Host{Name: "h"},
		Process: Process{CommandLine: "confctl 'x y'"},
		Change: ChangeRecord{Selector: "s", Run: "id", Objects: []Object{
			{Type: "node", Path: "a/b", Before: parse(`{"n": 1.50, "s": "\u00e9<>"}`), After: parse(`{"n": 2e3}`)},
			{Type: "node", Path: "new", After: parse(`{}`)},
			{Type: "node", Path: "gone", Before: parse(`{}`)},
			{Type: "node", Path: "mended", Raw: []byte("\xff\x00{ oops"), After: parse(`{}`)},
			{Type: "node", Path: "empty", Raw: []byte{}},
		}},
	}
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseRecord(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back, cmp.Comparer(func(a, b value.Value) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	var names map[string]json.RawMessage
	if err := json.Unmarshal(text, &names); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"@timestamp", "event", "user", "host", "process", "confctl"} {
		if names[name] == nil {
			t.Errorf("no %s in %s", name, text)
		}
	}
	for i, want := range [][2]bool{{false, false}, {true, false}, {false, true}, {false, false}, {false, true}} {
		if o := back.Change.Objects[i]; o.Created() != want[0] || o.Deleted() != want[1] {
			t.Errorf("%s: created %v, deleted %v", o.Path, o.Created(), o.Deleted())
		}
	}
}
