package object

import "github.com/conftool/confctl/pkg/value"

// index returns a function from the name of a field to its place, -1 if there is
// none. What others have stored may have tens of thousands of fields: with the
// index, to look at each of them takes no more than a few steps.
func index(fields []value.Field) func(name string) int {
	const few = 16
	if len(fields) <= few {
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

// getter returns a function from the name of a field to its value, which is
// absent if there is none.
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
