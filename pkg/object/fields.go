package object

import "github.com/conftool/confctl/pkg/value"

// index returns a function that maps the name of a field to its index, or to -1
// if there is none. Objects written by other programs may have tens of
// thousands of fields, so the function looks names up in a map if there are
// many.
func index(fields []value.Field) func(name string) int {
	const maxScanned = 16
	if len(fields) <= maxScanned {
		return func(name string) int { return value.Index(fields, name) }
	}
	places := make(map[string]int, len(fields))
	for i, f := range fields {
		if _, there := places[f.Name]; !there {
			places[f.Name] = i
		}
	}
	return func(name string) int {
		if i, there := places[name]; there {
			return i
		}
		return -1
	}
}

// getter returns a function that maps the name of a field to its value, which
// is absent if there is no such field.
func getter(fields []value.Field) func(name string) value.Value {
	at := index(fields)
	return func(name string) value.Value {
		if i := at(name); i >= 0 {
			return fields[i].Value
		}
		return value.Value{}
	}
}

// setOf returns the elements of a list as a set.
func setOf[E comparable](all []E) map[E]bool {
	set := make(map[E]bool, len(all))
	for _, e := range all {
		set[e] = true
	}
	return set
}
