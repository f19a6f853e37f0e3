package readers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/text"
)

// Level is the state of a reader for a monitoring system: as a number it is the exit
// code of a monitoring plugin.
type Level int

// The levels.
const (
	OK       Level = 0
	Warning  Level = 1
	Critical Level = 2
	Unknown  Level = 3
)

// String is the word of monitoring plugins for the level.
func (l Level) String() string {
	if l < OK || l > Unknown {
		l = Unknown
	}
	return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[l]
}

// weight orders levels: a failure that is known is worse than one that may be.
func (l Level) weight() int { return slices.Index([]Level{OK, Unknown, Warning, Critical}, l) }

// Result is the verdict on one reader.
type Result struct {
	Reader Reader // with its tags filled in
	Level  Level
	Msg    string // one line of printable text, without |
	Note   string // what readers of this kind do not show; may be empty

	Current  bool          // no difference from the store shows
	Since    string        // the change that was asked about; empty for all
	NotAbout bool          // that change has nothing that the reader reads
	Late     time.Duration // since the oldest change it has not seen, of those whose age is known
	LateFrom bool          // it is not Current, and the age of all of those changes is known
	// Warn and Crit are how late the reader may be before it is at that level.
	Warn, Crit time.Duration
}

// criticalAfter is how many times later than it may be a reader is Critical, unless
// the Check sets a limit.
const criticalAfter = 4

// result is one without a verdict.
func (c Check) result(r Reader) Result {
	warn := cmp.Or(c.Warning, r.Within, DefaultWithin)
	crit := cmp.Or(c.Critical, criticalAfter*warn)
	result := Result{Reader: r, Warn: min(warn, crit), Crit: crit}
	if len(c.Since) > 0 {
		result.Since = cmp.Or(c.Since[0].Change.Run, c.Since[0].Event.ID)
	}
	return result
}

// Unasked returns the result for a reader that cannot be asked because its
// declaration, or what was typed, is wrong.
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

// lag is what a reader has not seen.
type lag struct {
	what    string    // in words
	since   time.Time // of the oldest change whose age is known; zero if none is
	by      string    // the id of that change; empty if it has no record
	unknown bool      // there is a change of unknown age
}

// late is the verdict on a reader that has not seen everything. It is not OK if a
// single change was asked about, or if the age of a change is not known.
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

// oneLine makes a text fit for a line of a monitoring plugin's output, which |
// divides: nothing in it can end the line, or pass for another one.
func oneLine(said string) string {
	return strings.ReplaceAll(text.Words(said), "|", "/")
}

// printable is the beginning of a text from elsewhere, on one line.
func printable(said string) string {
	const most = 160
	return text.Cut(oneLine(said), most)
}
