package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/conftool/confctl/pkg/store"
)

// Place is a place that holds a store, which can be replaced by a backup.
type Place struct {
	Open func() store.Store // opens a handle on the store, which is closed when the test ends
	Keep func()             // takes a backup
	// PutBack replaces the store by the backup, after calling change with it. It
	// breaks existing connections. No other client can see the backup before change
	// returns.
	PutBack func(change func(store.Store))
}

// RunPutBack runs the part of the contract about restoring a backup. It calls fresh
// once for each of its subtests, for an empty store.
func RunPutBack(t *testing.T, fresh func(t *testing.T) Place) {
	t.Run("put back/and written past", func(t *testing.T) { putBackAndPast(t, fresh(t)) })
	t.Run("put back", func(t *testing.T) { putBack(t, fresh(t)) })
}

// putBackAndPast restores a backup and writes to it until it has passed the revision
// of a watch. The watch continues, and marks its first batch as resumed.
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

// putBack restores a backup that is behind the revision of a watch.
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
