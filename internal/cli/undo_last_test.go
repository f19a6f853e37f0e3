package cli

import (
	"strings"
	"testing"
	"time"
)

// newestRecord returns the key and the value of the journal's newest record.
func (s *site) newestRecord() (id, record string) {
	s.Helper()
	record = strings.TrimSpace(s.ok("log", "-n", "1", "-o", "json"))
	_, rest, _ := strings.Cut(record, `"event":{"id":"`)
	id, _, _ = strings.Cut(rest, `"`)
	return id, record
}

// TestUndoLastWithASlowClock: a change made on a host whose clock is hours behind
// is the newest all the same. It is not taken for one of just now, and neither is
// an older one that somebody made on a host with a right clock.
func TestUndoLastWithASlowClock(t *testing.T) {
	t.Parallel()
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.ok("select", "name=web9.example", "set/weight=3")
	s.ok("select", "name=web3.example", "set/weight=4")
	id, record := s.newestRecord()
	_, rest, _ := strings.Cut(record, `"@timestamp":"`)
	stamp, _, _ := strings.Cut(rest, `"`)
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		t.Fatal(err)
	}
	// as a host with that clock writes them, in one transaction
	s.plant("/conftool/.confctl/journal/"+id, strings.Replace(record, stamp, at.Add(-3*time.Hour).Format(time.RFC3339Nano), 1),
		"/conftool/v1/pools/north/web/http/web3.example", `{"weight": 4, "pooled": "inactive"}`)
	_, stderr, code := s.run("undo", "last")
	if code != exitNoMatch || !strings.Contains(stderr, "your newest change is older than 1h by the clock of its host, nothing changed") || !strings.Contains(stderr, "confctl undo "+id) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if got := s.ok("select", "name=web(3|9).example", "get"); !strings.Contains(got, `"weight": 3`) || !strings.Contains(got, `"weight": 4`) {
		t.Errorf("undone: %s", got)
	}
	s.ok("undo", id)
	// a clock that is ahead makes an older change no newer
	s.ok("select", "name=web9.example", "set/weight=5")
	id, record = s.newestRecord()
	s.plant("/conftool/.confctl/journal/"+id, strings.ReplaceAll(record, `"@timestamp":"20`, `"@timestamp":"21`))
	s.ok("select", "name=web3.example", "set/weight=6")
	if got := s.ok("undo", "last"); !strings.Contains(got, "web3.example: weight changed 6 => 0") {
		t.Error(got)
	}
}

// TestUndoAsksOnATerminal: what is undone is shown, with its age, and undone only
// after a yes, also if it is one object and its change was named.
func TestUndoAsksOnATerminal(t *testing.T) {
	t.Parallel()
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.ok("select", "name=web9.example", "set/weight=3")
	id, _ := s.newestRecord()
	for _, words := range [][]string{{"undo", "last"}, {"undo", id}, {"undo", "--since", "10m", "--mine"}} {
		term := s.terminal(words...)
		term.Expect("s ago: set/weight=3 name=web9.example")
		term.Expect("Ok to continue? [y/N]\r\nconfctl>")
		term.Type("n\n")
		term.end(exitDeclined)
	}
	if got := s.ok("select", "name=web9.example", "get"); !strings.Contains(got, `"weight": 3`) {
		t.Errorf("undone: %s", got)
	}
	term := s.terminal("undo", "last")
	term.Expect("weight changed 3 => 0")
	term.Expect("confctl>")
	term.Type("y\n")
	term.end(exitDone)
	s.ok("select", "name=web9.example", "set/weight=4")
	id, _ = s.newestRecord()
	s.terminal("--yes", "undo", id).end(exitDone)
}
