package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// weighed is a record that gives some of the hosts 0 to 9 another weight.
func weighed(at int, hosts ...int) sal.Stored {
	id := sal.NewID(time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).Add(time.Duration(at) * time.Second))
	r := sal.Stored{Record: sal.Record{Event: sal.Event{ID: id}, Change: sal.ChangeRecord{Run: id}}, Revision: store.Revision(at)}
	weight := func(n int) value.Value { return value.OfMap(value.Field{Name: "weight", Value: value.OfInt(int64(n))}) }
	for _, h := range hosts {
		r.Change.Objects = append(r.Change.Objects, sal.Object{Type: "node", Path: fmt.Sprintf("dc/c/s/host%d", h), Before: weight(at), After: weight(at + 1)})
	}
	return r
}

// BenchmarkUndoDeep is undo last where 100,000 changes by others came after it.
func BenchmarkUndoDeep(b *testing.B) {
	s := newSite(b, localConfig)
	s.file("confctl.yaml", patient)
	s.ok("sync", "--directory", "data")
	s.ok("select", "name=web9.example", "set/weight=3")
	const deep, together = 100_000, 1_000
	now := time.Now()
	for i := 0; i < deep; i += together {
		var pairs []string
		for k := range together {
			id := sal.NewID(now.Add(time.Duration(i+k) * time.Microsecond))
			r := sal.Record{Time: now, Event: sal.Event{ID: id, Action: "set/weight=1"}, User: sal.User{Name: "other"}, Change: sal.ChangeRecord{Run: id, Selector: "name=x"}}
			r.Change.Objects = weighed(i, k%10).Change.Objects
			text, err := r.Encode()
			if err != nil {
				b.Fatal(err)
			}
			pairs = append(pairs, "/conftool/.confctl/journal/"+id, string(text))
		}
		s.plant(pairs...)
	}
	for b.Loop() {
		if got := s.ok("undo", "last", "--dry-run"); !strings.Contains(got, "weight changed 3 => 0") {
			b.Fatal(got)
		}
	}
}
