package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/sal"
)

// A logFilter selects the records of the journal to show.
type logFilter struct {
	most        int
	user, typ   string
	object      string // regular expression for the name, its first label, or tags and name
	since, till string
	grep        string
	refused     bool
}

// isSet reports whether any option other than the number of records is set.
func (f logFilter) isSet() bool { return f != logFilter{most: f.most} }

// query returns the query for the journal. Times are relative to now. The map of
// notes, by the id of their change, is read when records are matched, so it may be
// filled after query returns.
func (f logFilter) query(now time.Time, notes map[string][]sal.Note) (sal.Query, error) {
	if f.most < 0 {
		return sal.Query{}, &usageError{"-n cannot be negative", "0 shows all"}
	}
	q := sal.Query{Most: f.most}
	var until time.Time
	var err error
	if q.Since, err = moment("--since", f.since, now); err != nil {
		return q, err
	}
	if until, err = moment("--until", f.till, now); err != nil {
		return q, err
	}
	object, err := pattern("--object", f.object, `^(?:%s)$`)
	if err != nil {
		return q, err
	}
	grep, err := pattern("--grep", f.grep, `%s`)
	if err != nil {
		return q, err
	}
	q.Match = func(r sal.Stored) bool {
		return (f.user == "" || r.User.Name == f.user) &&
			(!f.refused || r.Refused() || r.Change.Held > 0) &&
			(until.IsZero() || r.Time.Before(until)) &&
			(f.typ == "" && object == nil || slices.ContainsFunc(r.Change.Objects, func(o sal.Object) bool { return f.about(o, object) })) &&
			(grep == nil || grep.MatchString(searchable(r.Record, notes[r.Event.ID])))
	}
	return q, nil
}

// about reports whether an object has the type of the filter, if one is set, and
// whether name, if not nil, matches its path, its name, or the first label of its
// name.
func (f logFilter) about(o sal.Object, name *regexp.Regexp) bool {
	if f.typ != "" && o.Type != f.typ {
		return false
	}
	own := o.Path[strings.LastIndexByte(o.Path, '/')+1:]
	label, _, _ := strings.Cut(own, ".")
	return name == nil || slices.ContainsFunc([]string{o.Path, own, label}, name.MatchString)
}

// searchable returns the text of a record and its notes that --grep searches.
func searchable(r sal.Record, notes []sal.Note) string {
	texts := []string{r.Event.ID, r.User.Name, r.Host.Name, r.Event.Action, r.Change.Selector, r.Process.CommandLine, r.Event.Reason, r.Change.Task}
	for _, n := range notes {
		texts = append(texts, n.Text)
	}
	return strings.Join(texts, "\n")
}

func pattern(option, text, form string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // an empty pattern is valid
	}
	re, err := regexp.Compile(fmt.Sprintf(form, text))
	if err != nil {
		return nil, &usageError{fmt.Sprintf("%s: %q is no regular expression: %v", option, text, err), ""}
	}
	return re, nil
}

// moment parses the value of an option as a time: a duration before now, such as
// 10m, 2h or 3d; a date with or without a time of day; or a time of day, which is
// today. Times without a zone are local. An empty text is the zero time.
func moment(option, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := span(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			y, m, d := now.Local().Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.Local), nil
		}
	}
	return time.Time{}, &usageError{fmt.Sprintf("%s cannot be %q", option, text), "it takes how long ago, such as 10m, 2h or 3d, or a time, such as 2026-01-31, 2026-01-31T15:04 or 15:04"}
}

// span parses a duration in the syntax of time.ParseDuration, or as a number of
// days such as 3d. It may not be negative.
func span(text string) (time.Duration, error) {
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		return 0, fmt.Errorf("%q is negative", text)
	}
	return d, err
}
