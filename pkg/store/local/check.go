package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/conftool/confctl/pkg/store"
)

// Report is the result of Check.
type Report struct {
	Revision store.Revision
	Keys     int
	// Unverified reports that the file was written by a version without checksums,
	// and has not changed since: Check could verify only its structure.
	Unverified bool
	// Problems describes the damage, as far as the file could be read; at most 100.
	Problems []string
}

// Check reads and verifies the whole file. Damage is not an error, but is in the
// report. An absent file has no problems.
//
// Errors: as Read.
func (s *Store) Check(ctx context.Context) (r Report, err error) {
	file, err := s.open(ctx, false)
	if err != nil || file == nil {
		return r, s.explain(ctx, err)
	}
	err = use(file, true, func(db *bolt.DB) error {
		return db.View(func(tx *bolt.Tx) error {
			st, err := load(tx)
			if err != nil {
				return err
			}
			r.Revision, r.Unverified = st.revision, st.plain
			return errors.Join(r.checkData(ctx, st), r.checkLog(ctx, st))
		})
	})
	var d *store.DamagedError
	if errors.As(err, &d) {
		r.Problems, err = append(r.Problems, d.Problems...), nil
	}
	return r, s.explain(ctx, err)
}

func (r *Report) add(problem string) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, problem)
	}
}

// checkData verifies all records. It continues after a damaged one.
func (r *Report) checkData(ctx context.Context, st state) error {
	if st.data == nil {
		return nil
	}
	c, search := st.data.Cursor(), st.data.Cursor()
	want, known := st.first, !st.plain // the expected link of the next key
	for k, v := c.First(); ctx.Err() == nil; k, v = c.Next() {
		found := link(k)
		if known && found != want {
			r.add("a key is missing or was changed, " + place(k))
		}
		if k == nil {
			break
		}
		r.Keys++
		if at, _ := search.Seek(k); !bytes.Equal(at, k) {
			r.add(fmt.Sprintf("key %q is not where it is looked for", k))
		}
		rec, err := st.decodeRecord(k, found, v)
		want, known = rec.next, err == nil && !st.plain
		switch {
		case v == nil:
			r.add(fmt.Sprintf("the entry of key %q has no value", k))
		case err != nil:
			r.add(problemOf(err))
		}
	}
	return ctx.Err()
}

func (r *Report) checkLog(ctx context.Context, st state) error {
	for at := max(1, st.oldest); at <= st.revision && len(r.Problems) < maxProblems && ctx.Err() == nil; at++ {
		entry, err := st.logEntry(at)
		if err == nil {
			_, err = decodeEvents(entry, at, nil)
		}
		if err != nil {
			r.add(problemOf(err))
		}
	}
	return ctx.Err()
}

// problemOf returns the first problem of a *store.DamagedError, or the text of any
// other error.
func problemOf(err error) string {
	var d *store.DamagedError
	if errors.As(err, &d) {
		return d.Problems[0]
	}
	return err.Error()
}
