package readers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// Check asks readers and compares their answers with the store.
type Check struct {
	Readers []Reader
	// Objects reads the objects of every type in Reader.Types. It is called before the
	// readers are asked, if a target has tags, whose values it needs, or if the hosts of
	// a reader are the names of objects.
	Objects func(ctx context.Context) (object.Snapshot, error)
	// Read reads the store, first the objects and then the journal. It is called once,
	// after all readers have answered, so no reader has seen more than it returns.
	Read func(ctx context.Context) (State, error)
	// Since, if not nil, has the records of a change: only that change is checked.
	Since []sal.Stored
	// Warning and Critical are how late a reader may be before it is at that level. If
	// they are 0, the limits are the one that the reader declares, and four times that.
	Warning, Critical time.Duration
	Timeout           time.Duration // of each question; 0: 5 s
	CA                string        // the file of certificate authorities for readers that declare none; empty: those of the system
	Now               func() time.Time
}

// State is the state that readers are compared with.
type State struct {
	Snapshot object.Snapshot // must have all objects of the readers' types
	// Journal is the newest records, newest first. The age of a change that is older
	// than all of them is unknown.
	Journal []sal.Stored
}

const (
	defaultTimeout = 5 * time.Second
	maxQuestions   = 32 // questions at the same time
	maxTimeouts    = 8  // of all questions together, because the caller of the check also has a limit
)

// Run asks all readers and compares their answers with the store. The results are in
// the order of the readers; those of a reader that stands for several are in the
// order of the values of its tags, and then of its hosts.
//
// A reader that cannot be asked also has a result. Errors are those of Objects and
// Read, or of the context.
func (c Check) Run(ctx context.Context) ([]Result, error) {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	var before object.Snapshot
	if slices.ContainsFunc(c.Readers, func(r Reader) bool { return len(r.tags()) > 0 || r.hosts.typ != nil }) {
		var err error
		if before, err = c.Objects(ctx); err != nil {
			return nil, err
		}
	}
	all := c.expand(ctx, before)
	answers := c.ask(ctx, all)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	after, err := c.Read(ctx)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(all))
	for i, r := range all {
		results[i] = c.judge(r, answers[i], after)
	}
	return results, nil
}

// ask asks all readers that can be asked, several at a time.
func (c Check) ask(ctx context.Context, all []Reader) []answer {
	answers := make([]answer, len(all))
	a := asker{ca: c.CA, timeout: c.Timeout}
	places := make(chan struct{}, maxQuestions)
	var asking sync.WaitGroup
	whole, cancel := context.WithTimeout(ctx, maxTimeouts*c.Timeout)
	defer cancel()
	for i, r := range all {
		if r.problem != "" {
			continue
		}
		select {
		case places <- struct{}{}:
		case <-whole.Done():
			answers[i].err = fmt.Errorf("was not asked: after %v others had not answered; check fewer at a time", maxTimeouts*c.Timeout)
			continue
		}
		asking.Go(func() {
			defer func() { <-places }()
			answers[i] = a.ask(whole, r)
			answers[i].at = c.Now()
		})
	}
	asking.Wait()
	return answers
}

// judgement is one reader's answer and the state to compare it with.
type judgement struct {
	Check
	Reader
	answer
	storeRevision store.Revision  // after all readers had answered
	stored        []object.Object // objects that the reader reads
	records       []sal.Stored    // of changes up to the revision of the store, newest first
	changes       []change        // changes in records to objects that the reader reads
	asked         []change        // those of the change that is checked, oldest first
}

// judge compares an answer with the store.
func (c Check) judge(r Reader, a answer, s State) Result {
	switch {
	case r.problem != "":
		return c.unknown(r, r.problem)
	case a.err != nil:
		return c.unknown(r, a.err.Error())
	}
	j := judgement{Check: c, Reader: r, answer: a, storeRevision: s.Snapshot.Revision, stored: r.objects(s.Snapshot)}
	if len(j.stored) == 0 {
		return c.unknown(r, nothingStored(r))
	}
	j.records = made(s.Journal, func(rec sal.Stored) bool { return rec.Revision <= j.storeRevision })
	j.changes = r.changes(j.records)
	asked := made(c.Since, func(sal.Stored) bool { return true })
	slices.SortFunc(asked, func(a, b sal.Stored) int { return int(a.Revision - b.Revision) })
	j.asked = r.changes(asked)
	switch r.Kind {
	case PyBal:
		return j.compare(j.pybal())
	case DNS:
		return j.compare(j.dns())
	case Rendered:
		return j.compare(j.inFile())
	}
	return j.byIndex()
}

// made returns the records for which wanted is true and whose changes were made.
func made(records []sal.Stored, wanted func(sal.Stored) bool) []sal.Stored {
	return slices.DeleteFunc(slices.Clone(records), func(rec sal.Stored) bool { return rec.Refused() || !wanted(rec) })
}

func nothingStored(r Reader) string { return "the store has no " + r.selection() + " to compare with" }

// notAbout returns the result if the change that is checked did not change any
// object that the reader reads.
func (j judgement) notAbout() Result {
	result := j.current(j.Reader, "nothing of %s is in the change", j.selection())
	result.NotAbout = true
	return result
}

// age returns when a revision was made, according to the journal, and the change
// that made it. A revision without a record is at least as old as the next revision
// that has one. The time is zero if there is no such record.
func (j judgement) age(rev store.Revision) (at time.Time, by string) {
	for _, rec := range j.records { // newest first
		if rec.Revision < rev {
			break
		}
		at, by = rec.Time, ""
		if rec.Revision == rev {
			by = rec.Event.ID
		}
	}
	return at, by
}
