package sal

import (
	"context"
	"time"
)

// Last is the last change and the last refusal of one person, as far as undo
// needs them.
type Last struct {
	Change  *Stored // the newest change that is not an undo and is not undone; its newest part
	Refused *Stored // the newest refusal after that change, other than of an undo
}

// LastOf returns what a person did last, in the order of revisions, because the
// clocks of hosts differ. It reads the journal from its end, until it has found
// the change or only records from before since can follow. The records that it
// returns have no objects. Errors are those of Search.
func (l *Log) LastOf(ctx context.Context, user string, since time.Time) (Last, error) {
	q := Query{
		Match:   func(r Stored) bool { return r.User.Name == user || len(r.Change.Undoes) > 0 },
		Objects: func(Object) bool { return false },
	}
	var last Last
	undone := Undoing{}
	err := collect(l.search(ctx, q, limits{stopBefore: since}), func(r Stored) bool {
		switch {
		case r.User.Name != user || len(r.Change.Undoes) > 0 || undone[r.Run()] != "":
		case !r.Refused():
			last.Change = &r
			return false
		case last.Refused == nil:
			last.Refused = &r
		}
		undone.Add(r)
		return true
	})
	return last, err
}
