package render

import (
	"fmt"
	"strings"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/value"
)

// Listing returns the names of objects by their tag values as one JSON map, in
// the format of the Python tool.
func Listing(objects []object.Object) string {
	var fields []value.Field
	for _, g := range GroupBy(objects, directory) {
		names := make([]value.Value, len(g.Items))
		for i, o := range g.Items {
			names[i] = value.OfString(o.Name)
		}
		fields = append(fields, value.Field{Name: g.Name, Value: value.OfList(names...)})
	}
	return value.OfMap(fields...).Text()
}

// ListingForPeople returns a line for each group of objects with the same tags:
// their number, and the first of them.
func ListingForPeople(objects []object.Object) []string {
	const maxNames = 8
	var lines []string
	for _, g := range GroupBy(objects, directory) {
		names := make([]string, 0, maxNames)
		for _, o := range g.Items[:min(len(g.Items), maxNames)] {
			names = append(names, o.Name)
		}
		line := fmt.Sprintf("  %s: %d: %s", g.Name, len(g.Items), strings.Join(names, " "))
		if n := len(g.Items) - maxNames; n > 0 {
			line += fmt.Sprintf(" and %d more", n)
		}
		lines = append(lines, text.OneLine(line))
	}
	return lines
}

func directory(o object.Object) string { return "/" + o.Dir() }

// typeAndTags returns the name of the group of objects to which an object
// belongs.
func typeAndTags(o *object.Object) string { return strings.TrimSpace(o.Type.Name + " " + o.Dir()) }

// Group is the items with one name.
type Group[T any] struct {
	Name  string
	Items []T
}

// GroupBy groups items by name, in the order in which the names first appear.
func GroupBy[T any](all []T, name func(T) string) []Group[T] {
	var groups []Group[T]
	index := map[string]int{}
	for _, item := range all {
		n := name(item)
		i, known := index[n]
		if !known {
			i = len(groups)
			index[n] = i
			groups = append(groups, Group[T]{Name: n})
		}
		groups[i].Items = append(groups[i].Items, item)
	}
	return groups
}
