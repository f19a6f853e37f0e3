package store

import (
	"context"
	"iter"
)

// Walk yields the entries under a prefix in key order, from the key from on and
// before the key until: see Page. It holds one page of them in memory. Each page has
// its own revision: an entry that exists throughout is not missed, one that is
// written meanwhile may be.
//
// The sequence ends after it has yielded an error, which is one of Store.List.
func Walk(ctx context.Context, s Store, prefix, from, until string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		page := Page{Order: ByKey, From: from, Until: until}
		for {
			snap, err := s.List(ctx, prefix, page)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range snap.Entries {
				if !yield(e, nil) {
					return
				}
			}
			if !snap.More {
				return
			}
			page.From = snap.Entries[len(snap.Entries)-1].Key + "\x00"
			page.Limit = halfPage(snap.Entries)
		}
	}
}

// halfPage returns how many entries of the average size of the given ones fill half a
// page. A store that learns only from an answer that it is too large has wasted it.
func halfPage(entries []Entry) int {
	size := 1
	for _, e := range entries {
		size += len(e.Key) + len(e.Value)
	}
	return max(1, len(entries)*(MaxPage/2)/size)
}
