package readers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is what a monitoring plugin prints about results, each line with its
// end: one line with the level and numbers for graphs, then one for each reader,
// the worst first, and what cannot be seen. The level is the worst there is, or
// Unknown if nobody was asked.
func Report(results []Result) (string, Level) {
	sorted := slices.Clone(results)
	slices.SortStableFunc(sorted, func(a, b Result) int { return cmp.Compare(b.Level.weight(), a.Level.weight()) })
	if len(sorted) == 0 {
		return "UNKNOWN: no readers are declared\n", Unknown
	}
	level := sorted[0].Level
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s |%s\n", level, summary(sorted), perfdata(results))
	for _, r := range sorted {
		fmt.Fprintf(&b, "%s %s: %s\n", r.Level, printable(r.Reader.Name()), oneLine(r.Msg))
	}
	var notes []string
	for _, r := range sorted {
		if r.Note != "" && !slices.Contains(notes, r.Note) {
			notes = append(notes, r.Note)
			fmt.Fprintf(&b, "note: %s\n", oneLine(r.Note))
		}
	}
	return b.String(), level
}

// summary is the first line: the worst, and how many more there are.
func summary(sorted []Result) string {
	bad := 0
	for _, r := range sorted {
		if r.Level != OK {
			bad++
		}
	}
	switch {
	case bad > 0:
		return fmt.Sprintf("%d of %s: %s: %s", bad, counted(len(sorted), "reader", "readers"), printable(sorted[0].Reader.Name()), oneLine(sorted[0].Msg))
	case slices.ContainsFunc(sorted, func(r Result) bool { return !r.Current }):
		return counted(len(sorted), "reader is", "readers are") + " as late as they may be, or less"
	}
	return counted(len(sorted), "reader has", "readers have") + " seen everything"
}

// perfdata is how late each reader is, in seconds; U if that is not known.
func perfdata(results []Result) string {
	var b strings.Builder
	for _, r := range results {
		late := "U"
		if r.Asked && (r.Current || r.LateFrom) {
			late = fmt.Sprintf("%gs", r.Late.Round(time.Millisecond).Seconds())
		}
		fmt.Fprintf(&b, " '%s'=%s;%g;%g;0", label(r.Reader.Name()), late, r.Warn.Seconds(), r.Crit.Seconds())
	}
	return b.String()
}

// label is a name that is fit for perfdata.
func label(name string) string {
	return strings.NewReplacer("'", "", "=", "_").Replace(printable(name))
}
