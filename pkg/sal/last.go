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
// of before a time, nor than to what it has found. Errors are as of Search.
func (l *Log) LastOf(ctx context.Context, user string, since time.Time) (Last, error) {
	var last Last
	err := l.pages(ctx, []int{500, 5_000, 50_000, all}, func(page []Stored) bool {
		last = lastOf(page, user)
		return last != Last{} || isBefore(page, since)
	})
	return last, err
}

// lastOf is LastOf among the given records, the newest first.
func lastOf(records []Stored, user string) Last {
	var last Last
	undone := Undone(records)
	for i, r := range records {
		switch {
		case r.User.Name != user || len(r.Change.Undoes) > 0 || undone[r.Run()] != "":
		case !r.Refused():
			last.Change = &records[i]
			return last
		case last.Refused == nil:
			last.Refused = &records[i]
		}
	}
	return last
}
