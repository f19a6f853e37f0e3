package readers_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

// pybalCheck returns a check of a PyBal that reports these lines.
func pybalCheck(t *testing.T, s *site, lines string) readers.Check {
	t.Helper()
	return s.check(s.declare("node", fmt.Sprintf(`[{kind: pybal, url: "%s/pools/x"}]`, says(t, "%s", lines))))
}

// An object that could not be read was not absent: a reader that does not list it
// missed the previous change.
func TestMissedBehindUnreadable(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(5*time.Hour), "node", pool+"cp1", `{"pooled": "yes", "weight": 1}`)
	s.put("b", ago(50*time.Second), "node", pool+"cp1", `{"pooled": "yes", "weight": 1}`)
	repaired := &s.state.Journal[0].Change.Objects[0]
	repaired.Before, repaired.Raw = value.Value{}, []byte("x")
	expect(t, s.only(pybalCheck(t, s, "")), readers.Critical, "cp1 is absent, not enabled: 5h0m0s late, since change a")
}

// An object that cannot be read is not compared.
func TestUnreadableObject(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "node", pool+"cp1", `{"pooled": "no"}`, pool+"cp2", `{"pooled": "yes"}`)
	s.state.Snapshot.Objects[0].Malformed = errors.New("no JSON")
	expect(t, s.only(pybalCheck(t, s, "cp1:\tenabled/up/pooled\ncp2:\tenabled/up/pooled\n")), readers.OK)
}

// A value that a change sets in one object is not confused with another value in
// another object.
func TestSinceOtherValues(t *testing.T) {
	ttl := new(atomic.Uint32)
	ttl.Store(7)
	s := newSite(t)
	s.put("a", ago(time.Hour), "steered", "api/eqiad", `{"pooled": true, "ttl": 9}`, "api/codfw", `{"pooled": true, "ttl": 9}`)
	c := steeredReader(s, ttlServer(t, true, ttl, "10.2.2.9"), "")
	c.Since = []sal.Stored{s.put("two", ago(time.Second), "steered", "api/eqiad", `{"pooled": true, "ttl": 7}`, "api/codfw", `{"pooled": true, "ttl": 6}`)}
	expect(t, s.only(c), readers.Unknown, "whether it has seen the ttl of codfw does not show")
	c.Since = []sal.Stored{s.put("gone", ago(time.Second), "steered", "api/codfw", "")}
	expect(t, s.only(c), readers.OK, "has what is in the change as it is in the store")
}

// Storing a field with its default value does not change it.
func TestSinceDefaults(t *testing.T) {
	ttl := new(atomic.Uint32)
	s := newSite(t)
	s.put("a", ago(time.Hour), "steered", "api/eqiad", `{"pooled": true}`)
	c := steeredReader(s, ttlServer(t, true, ttl, "10.2.2.9"), ", ttl: none")
	set := s.put("b", ago(time.Second), "steered", "api/eqiad", `{"pooled": true, "ttl": 300}`)
	set.Change.Objects[0].Before = value.OfMap(value.Field{Name: "pooled", Value: value.OfBool(true)})
	c.Since = []sal.Stored{set}
	expect(t, s.only(c), readers.OK, "has what is in the change as it is in the store")
}

// The lower TTL of a pooled place is not taken for that of a place that the name
// server skipped.
func TestTTLOfAPooledPlace(t *testing.T) {
	ttl := new(atomic.Uint32)
	ttl.Store(30)
	s := newSite(t)
	s.put("a", ago(time.Hour), "steered", "api/eqiad", `{"pooled": true}`, "api/codfw", `{"pooled": true, "ttl": 30}`)
	expect(t, s.only(steeredReader(s, ttlServer(t, true, ttl, "10.2.2.9"), "")), readers.Critical, `answers with TTL 30 for "eqiad", not 300`)
}

// All lookups of host names share one timeout, and each reader reports which lookup
// failed.
func TestHostsUnknownNames(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`, "north/A", `{"val": 1}`)
	results := s.run(s.check(s.declare("mwconfig", `- {kind: index, label: x, url: "http://x/{scope}", hosts: nowhere.invalid}
- {kind: index, label: y, url: "http://y/", hosts: elsewhere.invalid}`)))
	told(t, results, "UNKNOWN x common: looking up nowhere.invalid: ", "UNKNOWN x north: looking up nowhere.invalid: ", "UNKNOWN y: looking up elsewhere.invalid: ")
	if strings.Contains(results[2].Msg, "nowhere") {
		t.Error(results[2].Msg)
	}
}
