package readers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/text"
)

// Level is the state of a reader for a monitoring system. As a number, it is the
// exit code of a monitoring plugin.
type Level int

// The levels.
const (
	OK       Level = 0
	Warning  Level = 1
	Critical Level = 2
	Unknown  Level = 3
)

// String returns the name of the level that monitoring plugins use.
func (l Level) String() string {
	if l < OK || l > Unknown {
		l = Unknown
	}
	return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[l]
}

// weight orders levels: a known failure is worse than a possible one.
func (l Level) weight() int { return slices.Index([]Level{OK, Unknown, Warning, Critical}, l) }

// Result is the result for one reader.
type Result struct {
	Reader Reader // with the values of its tags inserted
	Level  Level
	Msg    string // one line of printable text, without |
	Note   string // what readers of this kind do not show; may be empty

	Current  bool          // no difference from the store shows
	Since    string        // the change that was checked; empty for all
	NotAbout bool          // the reader reads nothing that the checked change changed
	Late     time.Duration // age of the oldest change it has not seen, among those of known age
	LateFrom bool          // it is not Current, and the ages of all unseen changes are known
	// Warn and Crit are how late the reader may be before it is at that level.
	Warn, Crit time.Duration
}

// criticalAfter is the multiple of its limit after which a reader is Critical,
// unless the Check sets a limit.
const criticalAfter = 4

// result returns a Result for the reader, without level and message.
func (c Check) result(r Reader) Result {
	warn := cmp.Or(c.Warning, r.Within, DefaultWithin)
	crit := cmp.Or(c.Critical, criticalAfter*warn)
	result := Result{Reader: r, Warn: min(warn, crit), Crit: crit}
	if len(c.Since) > 0 {
		result.Since = cmp.Or(c.Since[0].Change.Run, c.Since[0].Event.ID)
	}
	return result
}

// Unasked returns the result for a reader that cannot be asked because of a mistake
// in its declaration or on the command line.
func Unasked(name, why string) Result {
	return Result{Reader: Reader{Label: name}, Level: Unknown, Msg: oneLine(why)}
}

func (c Check) unknown(r Reader, problem string) Result {
	result := c.result(r)
	result.Level, result.Msg = Unknown, oneLine(problem)
	return result
}

func (c Check) current(r Reader, format string, args ...any) Result {
	result := c.result(r)
	result.Current, result.Msg = true, oneLine(fmt.Sprintf(format, args...))
	return result
}

// lag describes the changes that a reader has not seen.
type lag struct {
	what    string    // a description
	since   time.Time // time of the oldest change of known age; zero if there is none
	by      string    // the id of that change; empty if it has no record
	unknown bool      // the age of a change is unknown
}

// late returns the result for a reader that has not seen everything. It is not OK if
// a single change was checked, or if the age of a change is unknown.
func (j judgement) late(l lag) Result {
	result := j.result(j.Reader)
	result.LateFrom = !l.unknown
	when := "it is not known since when"
	if !l.since.IsZero() {
		result.Late = max(0, j.at.Sub(l.since))
		when = rounded(result.Late) + " late"
		if l.by != "" {
			when += ", since change " + printable(l.by)
		}
		if l.unknown {
			when = "at least " + when + "; of some it is not known since when"
		}
	}
	switch {
	case result.Late > result.Crit:
		result.Level = Critical
	case result.Late > result.Warn, l.unknown, len(j.Since) > 0:
		result.Level = Warning
	default:
		when += fmt.Sprintf("; it may be %s", rounded(result.Warn))
	}
	result.Msg = oneLine(l.what + ": " + when)
	return result
}

func rounded(d time.Duration) string {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// oneLine makes a text safe for a line of a monitoring plugin's output, where | is a
// separator: the text cannot end the line or imitate another one.
func oneLine(untrusted string) string {
	return strings.ReplaceAll(text.Words(untrusted), "|", "/")
}

// printable returns the beginning of an untrusted text, on one line.
func printable(untrusted string) string {
	const maxLength = 160
	return text.Cut(oneLine(untrusted), maxLength)
}
