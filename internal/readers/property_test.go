package readers_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/pkg/store"
)

// event is a change as it happened, recorded or not.
type event struct {
	rev      store.Revision
	at       time.Time
	path     string
	deleted  bool
	recorded bool
}

// moment is a store at one time, which a restored snapshot would bring back.
type moment struct {
	state  readers.State
	events []event
}

// world is a store that changes, and an honest reader that reads it from time to
// time.
type world struct {
	*site
	*rapid.T
	clock  time.Time
	events []event
	saved  []moment

	// The state of the reader: the highest revision when it last read, and what has
	// happened since.
	reports, readAt store.Revision
	lostTo          store.Revision // the store was restored to it, which is before readAt
	lostAt          time.Time
}

// alive returns, for each object that exists, its changes since it was created.
func (w *world) alive() map[string][]event {
	lives := map[string][]event{}
	for _, e := range w.events {
		if e.deleted {
			delete(lives, e.path)
		} else {
			lives[e.path] = append(lives[e.path], e)
		}
	}
	return lives
}

func (w *world) highest() store.Revision {
	var highest store.Revision
	for _, life := range w.alive() {
		highest = max(highest, life[len(life)-1].rev)
	}
	return highest
}

func (w *world) wait(rt *rapid.T) {
	w.clock = w.clock.Add(rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second, 40 * time.Second, 3 * time.Minute}).Draw(rt, "wait"))
}

// write sets or deletes some objects in one transaction, with or without a record.
func (w *world) write(rt *rapid.T, recorded bool) {
	lives := w.alive()
	id := fmt.Sprintf("at%d", w.clock.Unix())
	if !recorded {
		id = ""
	}
	var stored []string
	rev := w.state.Snapshot.Revision + 1
	for _, path := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"common/A", "common/B", "north/A", "south/A"}), 1, 2, rapid.ID[string]).Draw(rt, "objects") {
		e := event{rev, w.clock, path, lives[path] != nil && rapid.Bool().Draw(rt, "delete"), recorded}
		text := `{"val": 1}`
		if e.deleted {
			text = ""
		}
		w.events, stored = append(slices.Clip(w.events), e), append(stored, path, text)
	}
	w.put(id, w.clock, "mwconfig", stored...)
}

func (w *world) read() {
	w.reports, w.readAt, w.lostTo = w.highest(), w.state.Snapshot.Revision, 0
}

func (w *world) restore(m moment) {
	w.state, w.events = m.state, m.events
	rev := m.state.Snapshot.Revision
	if rev < w.readAt && (w.lostTo == 0 || rev < w.lostTo) {
		w.lostTo, w.lostAt = rev, w.clock
	}
	w.saved = slices.DeleteFunc(w.saved, func(s moment) bool { return s.state.Snapshot.Revision > rev }) // of what is lost
}

// isLost reports whether the reader has read a history that a restore has discarded.
func (w *world) isLost() bool { return w.lostTo > 0 }

// unseen returns the changes that the reader has not seen, oldest first.
func (w *world) unseen() []event {
	i := slices.IndexFunc(w.events, func(e event) bool { return e.rev > w.readAt })
	if i < 0 {
		return nil
	}
	return w.events[i:]
}

// shows returns the time from which on the reader is certainly late, by what the
// documentation says can be seen: recorded changes of objects that have existed ever
// since, and the deletion of the last of the objects that the reader holds, if all
// others are older.
func (w *world) shows() (since time.Time, shown bool) {
	var at []time.Time
	for _, life := range w.alive() {
		for _, e := range life {
			if e.rev > w.readAt && e.recorded {
				at = append(at, e.at)
			}
		}
	}
	if gone, certain := w.gone(); w.reports > w.highest() && certain {
		at = append(at, gone)
	}
	if len(at) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(at, time.Time.Compare), true
}

// gone returns when the last of the objects that the reader holds was written again
// or deleted, if all of that is recorded.
func (w *world) gone() (at time.Time, certain bool) {
	ends := map[string]event{}
	for _, e := range w.events {
		if end, ended := ends[e.path]; e.rev == w.reports && !e.deleted {
			if !e.recorded {
				return time.Time{}, false
			}
			ends[e.path] = event{}
		} else if ended && end.rev == 0 {
			ends[e.path] = e
		}
	}
	for end := range maps.Values(ends) {
		if !end.recorded {
			return time.Time{}, false
		}
		if end.at.After(at) {
			at = end.at
		}
	}
	return at, len(ends) > 0
}

// TestHighestIndexProperty checks that a reader is never reported later than it is,
// and never as OK if what can be seen shows that it is very late.
func TestHighestIndexProperty(t *testing.T) {
	s := newSite(t)
	check, write := reporting(t, s, "")
	rapid.Check(t, func(rt *rapid.T) {
		*s = site{t: t, schema: s.schema}
		w := &world{site: s, T: rt, clock: now}
		w.write(rt, true)
		w.read()
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			w.wait(rt)
			switch rapid.SampledFrom([]string{"write", "write", "write", "past confctl", "other", "read", "save", "restore"}).Draw(rt, "step") {
			case "write":
				w.write(rt, true)
			case "past confctl":
				w.write(rt, false)
			case "other":
				w.put("other", w.clock, "discovery", "api/eqiad", `{"pooled": true}`)
			case "read":
				w.read()
			case "save":
				w.saved = append(w.saved, moment{w.state, w.events})
			case "restore":
				if len(w.saved) > 0 {
					w.restore(rapid.SampledFrom(w.saved).Draw(rt, "snapshot"))
				}
			}
			w.wait(rt)
			write(w.reports)
			check.Now = func() time.Time { return w.clock }
			w.judge(rt, s.only(check))
		}
	})
}

func (w *world) judge(rt *rapid.T, got readers.Result) {
	if w.isLost() {
		w.judgeLost(rt, got)
		return
	}
	unseen := w.unseen()
	late := time.Duration(0)
	if len(unseen) > 0 {
		late = w.clock.Sub(unseen[0].at)
	}
	if got.Late > late || !got.Current && got.Level != readers.Unknown && len(unseen) == 0 {
		rt.Fatalf("false alarm: %v late: %v: %s", late, got.Level, got.Msg)
	}
	if since, shown := w.shows(); shown && w.highest() > 0 {
		if late := w.clock.Sub(since); late > got.Crit && got.Level != readers.Critical && got.Level != readers.Unknown {
			rt.Fatalf("false %v: %v late: %s", got.Level, late, got.Msg)
		}
	}
	known := w.reports == 0 || slices.ContainsFunc(w.events, func(e event) bool { return e.rev == w.reports && e.recorded })
	if got.Level == readers.Unknown && known && w.highest() > 0 {
		rt.Fatalf("not unknown: %v late: %s", late, got.Msg)
	}
}

// judgeLost checks the result for a reader that has read a history that a restore
// discarded: it is taken for another reader only if it is at the revision of a new
// change.
func (w *world) judgeLost(rt *rapid.T, got readers.Result) {
	if w.reports <= w.lostTo {
		return // that it has seen more does not show
	}
	if late := w.clock.Sub(w.lostAt); got.Late > late {
		rt.Fatalf("false alarm after a restore: %v late: %s", late, got.Msg)
	}
	if got.Current && w.reports != w.highest() {
		rt.Fatalf("false OK after a restore: %s", got.Msg)
	}
}
