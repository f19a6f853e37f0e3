package readers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
)

// Check is what is asked of readers, and how.
type Check struct {
	Readers []Reader
	// Objects reads the objects of all types that Types of a reader names. It is
	// called before the readers are asked, if there are tags in the target of one,
	// whose values it is about, or objects name its hosts.
	Objects func(ctx context.Context) (object.Snapshot, error)
	// Read reads the store, the objects first and then the journal. It is called
	// once after all have answered: so none can know more than the store.
	Read func(ctx context.Context) (State, error)
	// Since asks only whether readers have seen this change: all its records.
	Since []sal.Stored
	// Warning and Critical are from how late on a reader is that; 0: what the
	// reader may be, and four times that.
	Warning, Critical time.Duration
	Timeout           time.Duration // of each question; 0: 5 s
	CA                string        // file of the authorities for readers that declare none; empty: the system's
	Now               func() time.Time
}

const (
	defaultTimeout = 5 * time.Second
	atOnce         = 32 // questions
	mostTimeouts   = 8  // that all of them may take together: who waits for the report gives up, too
)

// Run asks all readers and compares what they say with the store. The results
// are in the order of the readers, those of one with tags in its target in the
// order of their values.
//
// That a reader cannot be asked is a result. Errors are those of Objects and
// Read, or the context's own.
func (c Check) Run(ctx context.Context) ([]Result, error) {
	c = c.withDefaults()
	var before object.Snapshot
	if slices.ContainsFunc(c.Readers, func(r Reader) bool { return len(r.tags()) > 0 || r.servers.typ != nil }) {
		var err error
		if before, err = c.Objects(ctx); err != nil {
			return nil, err
		}
	}
	all, results := c.expand(ctx, before)
	answers := c.ask(ctx, all, func(i int) bool { return results[i].Msg == "" })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	after, err := c.Read(ctx)
	if err != nil {
		return nil, err
	}
	for i, r := range all {
		if results[i].Msg == "" {
			results[i] = c.judge(r, answers[i], after)
		}
	}
	return results, nil
}

func (c Check) withDefaults() Check {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// expand fills in the tags of targets, and finds the hosts. What cannot be filled
// in, or found, has a result already.
func (c Check) expand(ctx context.Context, s object.Snapshot) ([]Reader, []Result) {
	var all []Reader
	var results []Result
	lookup := c.resolver(ctx)
	for _, r := range c.Readers {
		for _, group := range r.expand(s) {
			for _, e := range group.perHost(s, lookup) {
				all = append(all, e.Reader)
				results = append(results, c.unknown(e.Reader, e.problem))
			}
		}
	}
	return all, results
}

// ask asks those that can be, some at once.
func (c Check) ask(ctx context.Context, all []Reader, can func(int) bool) []answer {
	answers := make([]answer, len(all))
	a := asker{clients: c.clients(all), timeout: c.Timeout}
	places := make(chan struct{}, atOnce)
	var asking sync.WaitGroup
	whole, cancel := context.WithTimeout(ctx, mostTimeouts*c.Timeout)
	defer cancel()
	for i, r := range all {
		if !can(i) {
			continue
		}
		select {
		case places <- struct{}{}:
		case <-whole.Done():
			answers[i] = answer{at: c.Now(), err: fmt.Errorf("was not asked: after %v others had not answered; check fewer at a time", mostTimeouts*c.Timeout)}
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
