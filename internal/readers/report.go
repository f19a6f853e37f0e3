package readers

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// named is a result with a unique name.
type named struct {
	Result
	name string
}

// Report returns the output of a monitoring plugin for the results: a line with the
// level and numbers for graphs, then a line for each reader, worst first, and notes
// on what readers do not show. Each line ends with a newline. The level is the worst
// of the results, or Unknown if there are none.
func Report(results []Result) (string, Level) {
	all := nameAll(results)
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b named) int { return cmp.Compare(b.Level.weight(), a.Level.weight()) })
	if len(sorted) == 0 {
		return "UNKNOWN: no readers are declared\n", Unknown
	}
	level := sorted[0].Level
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s%s\n", level, summary(sorted), perfdata(all))
	for _, r := range sorted {
		fmt.Fprintf(&b, "%s %s: %s\n", r.Level, r.name, oneLine(r.Msg))
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

// nameAll gives each result a unique name. Load refuses two readers with the same
// name, but names may become equal when the values of tags are inserted.
func nameAll(results []Result) []named {
	all := make([]named, len(results))
	taken := map[string]bool{}
	for i, r := range results {
		name := oneLine(r.Reader.Name())
		for n := 2; taken[perfLabel(name)]; n++ {
			name = fmt.Sprintf("%s (%d)", oneLine(r.Reader.Name()), n)
		}
		taken[perfLabel(name)] = true
		all[i] = named{r, name}
	}
	return all
}

// summary returns the first line: the worst result, and how many are not OK.
func summary(sorted []named) string {
	bad, others := 0, 0
	for _, r := range sorted {
		if r.Level != OK {
			bad++
		}
		if r.NotAbout {
			others++
		}
	}
	n, since := len(sorted), oneLine(sorted[0].Since)
	switch {
	case bad > 0 && n == 1:
		return fmt.Sprintf("%s: %s", sorted[0].name, oneLine(sorted[0].Msg))
	case bad > 0:
		return fmt.Sprintf("%d of %s: %s: %s", bad, counted(n, "reader", "readers"), sorted[0].name, oneLine(sorted[0].Msg))
	case others == n:
		return fmt.Sprintf("change %s has nothing that %s", since, counted(n, "reader reads", "readers read"))
	case others > 0:
		return fmt.Sprintf("%s seen change %s, and it has nothing that %s", counted(n-others, "reader has", "readers have"), since, counted(others, "other reads", "others read"))
	case since != "":
		return fmt.Sprintf("%s seen change %s", counted(n, "reader has", "readers have"), since)
	}
	return howLate(sorted)
}

// howLate returns the summary if all are OK: how many readers have seen everything,
// and how late the others are.
func howLate(all []named) string {
	late := slices.DeleteFunc(slices.Clone(all), func(r named) bool { return r.Current })
	current := len(all) - len(late)
	text := counted(current, "reader has", "readers have") + " seen everything"
	if len(late) == 0 {
		return text
	}
	latest := slices.MaxFunc(late, func(a, b named) int { return cmp.Compare(a.Late, b.Late) })
	by := fmt.Sprintf("%s late (may be %s)", rounded(latest.Late), latest.Warn)
	if len(late) > 1 {
		by = "up to " + by
	}
	if current == 0 {
		return counted(len(late), "reader is ", "readers are ") + by
	}
	return text + ", " + counted(len(late), "is ", "are ") + by
}

// perfdata returns the lateness of each reader in seconds, or U if unknown. A reader
// with a mistake in its declaration has no number.
func perfdata(results []named) string {
	var b strings.Builder
	for _, r := range results {
		if r.Warn == 0 {
			continue
		}
		late := "U"
		if r.Current || r.LateFrom {
			late = seconds(r.Late.Round(time.Millisecond)) + "s"
		}
		fmt.Fprintf(&b, " '%s'=%s;%s;%s;0", perfLabel(r.name), late, seconds(r.Warn), seconds(r.Crit))
	}
	if b.Len() == 0 {
		return ""
	}
	return " |" + b.String()
}

// seconds formats a duration for perfdata, which has no exponents.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// perfLabel returns a name as a quoted label of perfdata, which cannot contain =,
// and in which quotes are doubled.
func perfLabel(name string) string {
	return strings.NewReplacer("'", "''", "=", "_").Replace(oneLine(name))
}
