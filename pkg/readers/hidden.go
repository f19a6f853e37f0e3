package readers

import (
	"slices"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

// hiddenFields returns what records change and the reader does not show, in words.
// A record is one transaction: if the reader shows a field of one
// of its objects with the new value, it has seen the same value in the others.
func (j judgement) hiddenFields(c comparison, records []sal.Stored) []string {
	var hidden []string
	for _, rec := range records {
		for _, o := range rec.Change.Objects {
			if !j.readsRecorded(o) || o.Deleted() {
				continue
			}
			for _, field := range j.changedFields(o) {
				what := "the " + field + " of " + j.keyOf(o)
				if field == pooledField && isPooled(o.After) {
					what = j.keyOf(o) + " pooled"
				}
				if !j.showsIn(c, rec, field, fieldOf(o.After, field)) && !slices.Contains(hidden, what) {
					hidden = append(hidden, what)
				}
			}
		}
	}
	slices.Sort(hidden)
	return hidden
}

// showsIn reports whether the reader shows a field of any object that a record
// gives this value there.
func (j judgement) showsIn(c comparison, rec sal.Stored, field string, v value.Value) bool {
	return slices.ContainsFunc(rec.Change.Objects, func(o sal.Object) bool {
		return j.readsRecorded(o) && c.shows(j.keyOf(o), field) && fieldOf(o.After, field) == v &&
			slices.Contains(j.changedFields(o), field)
	})
}

// changedFields returns the fields that a change gives another value. Where there
// was no object, those are all.
func (j judgement) changedFields(o sal.Object) []string {
	var changed []string
	for _, f := range fieldsOf(o.After) {
		before := fieldOf(o.Before, f.Name)
		if declared, has := j.Type.Field(f.Name); has && before.IsAbsent() && o.Before.Kind() == value.Map {
			before = declared.Default
		}
		if before != f.Value {
			changed = append(changed, f.Name)
		}
	}
	for _, f := range fieldsOf(o.Before) {
		if fieldOf(o.After, f.Name).IsAbsent() {
			changed = append(changed, f.Name)
		}
	}
	return changed
}

func fieldsOf(v value.Value) []value.Field {
	if v.Kind() != value.Map {
		return nil
	}
	return v.Fields()
}
