package sal

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestIsID(t *testing.T) {
	id := NewID(time.Now())
	if !IsID(id) || len(id) != IDLength {
		t.Fatalf("%s: %d characters, %v", id, len(id), IsID(id))
	}
	for _, part := range []int{1, 2, 10, 99} {
		if got := PartID(id, part); !IsID(got) {
			t.Errorf("%s is no id", got)
		}
	}
	for _, wrong := range []string{
		"", "last", id[:IDLength-1], id[1:], id[:20], id + "0", id + "-", id + "-1", id + "-02", id + "-x", id + "-2-2", id + "-+2", id + "-99999999",
		" " + id, id + " ", id + "\n", strings.ToUpper(id[:IDLength-8]) + "ABCDEF01", strings.Replace(id, "Z-", "Z_", 1), "2026130" + id[7:],
		id[:IDLength-1] + "'", id[:IDLength-1] + "/", "../journal/" + id, id + "; touch PWNED", "'; touch PWNED; echo '--------------",
	} {
		if IsID(wrong) {
			t.Errorf("%q is taken for an id", wrong)
		}
	}
}

// TestRecordWithoutAnID: a record that names another change than its key, or that
// undoes an invalid id, is an error.
func TestRecordWithoutAnID(t *testing.T) {
	j := newJournal(t)
	good := change("good", noon())
	j.add(good)
	for i, forge := range []func(*Record){
		func(r *Record) { r.Event.ID = "x; touch PWNED" },
		func(r *Record) { r.Event.ID = good.Event.ID },
		func(r *Record) { r.Event.ID, r.Change.Run = "", "" },
		func(r *Record) { r.Change.Run = "x; touch PWNED" },
		func(r *Record) { r.Change.Run = good.Event.ID },
		func(r *Record) { r.Change.Run = r.Event.ID[:20] },
		func(r *Record) { r.Change.Run = r.Event.ID[:23] },
		func(r *Record) { r.Change.Undoes = []string{good.Event.ID, "$(touch PWNED)"} },
		func(r *Record) { r.Change.Undoes = []string{""} },
	} {
		r := change(string(rune('a'+i)), noon())
		key := j.Key(r.Event.ID)
		forge(&r)
		text, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		j.write(key, string(text))
		got, err := j.Newest(t.Context(), 1)
		var broken *BrokenError
		if !errors.As(err, &broken) || !strings.Contains(err.Error(), key) || len(got) != 1 || got[0].Event.ID != good.Event.ID {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		j.delete(key)
	}
	r := change("old", noon())
	r.Change.Run = "" // as earlier versions wrote it
	j.add(r)
	if got, err := j.Records(t.Context()); len(got) != 2 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
