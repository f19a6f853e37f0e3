package sal

import (
	"context"
	"time"
)

// Last is what a person did last, as far as that is to be undone.
type Last struct {
	Change  *Stored // the newest change that is no undo and not undone; of its parts the newest
	Refused *Stored // what rules refused after that change, the newest; a refused undo does not count
}

// LastOf returns what a person did last, by revision: clocks of hosts differ. It
// looks at the whole journal, but no further back than to records that are surely
// of before a time, nor than to what it has found. The records are without their
// objects. Errors are as of Search.
func (l *Log) LastOf(ctx context.Context, user string, since time.Time) (Last, error) {
	q := Query{
		Match:   func(r Stored) bool { return r.User.Name == user || len(r.Change.Undoes) > 0 },
		Objects: func(Object) bool { return false },
	}
	var last Last
	undone := Undoing{}
	err := collect(l.search(ctx, q, limits{back: since}), func(r Stored) bool {
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
