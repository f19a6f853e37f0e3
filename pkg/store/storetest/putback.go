package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

// Place is where a store is, and another can be put.
type Place struct {
	Open func() store.Store // a handle on the store, which is closed with the test
	Keep func()             // takes a backup
	// PutBack puts the backup in the place of the store, which those who are
	// connected do not outlive. Nobody can see it before it was changed.
	PutBack func(change func(store.Store))
}

// RunPutBack runs the part of the contract that is about a backup put back. It
// calls fresh once for each of its subtests, for an empty store.
func RunPutBack(t *testing.T, fresh func(t *testing.T) Place) {
	t.Run("put back/and written past", func(t *testing.T) { putBackAndPast(t, fresh(t)) })
	t.Run("put back", func(t *testing.T) { putBack(t, fresh(t)) })
}

// putBackAndPast has a watch find another store that has been where it goes on:
// it goes on there, and says so with the first that it brings.
func putBackAndPast(t *testing.T, p Place) {
	s := p.Open()
	commit(t, s, writes(put("/k", "kept")))
	p.Keep()
	lost := commit(t, s, writes(put("/k", "lost"))).Revision
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	away, resumed := false, 0
	var end store.Revision
	for b, err := range s.Watch(ctx, lost, "/k") {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case b.Resumed && !away:
			t.Fatalf("revision %d is said to have been resumed at, and nothing happened", b.Revision)
		case b.Resumed:
			resumed++
		case away && resumed == 0:
			t.Fatalf("revision %d of another store, and nothing says so", b.Revision)
		}
		if away && b.Revision >= end {
			break
		}
		if away {
			continue
		}
		away = true
		p.PutBack(func(other store.Store) {
			for end <= lost+2 {
				end = commit(t, other, writes(put("/k", "other"))).Revision
			}
		})
	}
	if resumed != 1 {
		t.Fatalf("resumed %d times", resumed)
	}
}

// putBack has a watch find a store that has never been where it goes on.
func putBack(t *testing.T, p Place) {
	s := p.Open()
	commit(t, s, writes(put("/k", "kept")))
	p.Keep()
	lost := commit(t, s, writes(put("/k", "lost"))).Revision
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	away := false
	for b, err := range s.Watch(ctx, lost, "/k") {
		switch {
		case err != nil && away && errors.Is(err, store.ErrCompacted):
			return
		case err != nil:
			t.Fatal(err)
		case !away:
			away = true
			p.PutBack(func(store.Store) {})
		case len(b.Events) > 0:
			t.Fatalf("it goes on with %v", b)
		}
	}
	t.Fatal("it goes on")
}
