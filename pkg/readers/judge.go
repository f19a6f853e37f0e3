package readers

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
)

// judgement is one reader's answer beside the store.
type judgement struct {
	Check
	Reader
	answer
	state State // the journal without what came after the snapshot, and what was refused
}

// judge compares what a reader said with the store.
func (c Check) judge(r Reader, a answer, s State) Result {
	if a.err != nil {
		return c.unknown(r, a.err.Error())
	}
	s.Journal = slices.DeleteFunc(slices.Clone(s.Journal), func(rec sal.Stored) bool {
		return rec.Refused() || rec.Revision > s.Snapshot.Revision
	})
	j := judgement{c, r, a, s}
	var result Result
	switch {
	case len(r.objects(s.Snapshot)) == 0:
		result = c.unknown(r, "the store has no "+r.selection()+" to compare with")
	case r.Kind == PyBal:
		result = j.compared(j.pybal())
	case r.Kind == DNS:
		result = j.compared(j.dns())
		result.Msg += j.swapped(result.Level)
	case r.Kind == Rendered:
		result = j.compared(j.inFile())
	default:
		result = j.byIndex()
	}
	result.Asked = result.Level != Unknown
	return result
}

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

// Unasked is the result for what cannot be asked, as it is declared, or typed,
// wrongly.
func Unasked(name, why string) Result {
	return Result{Reader: Reader{Label: name}, Level: Unknown, Msg: oneLine(why)}
}

func (c Check) unknown(r Reader, problem string) Result {
	result := c.result(r)
	result.Level, result.Msg = Unknown, oneLine(problem)
	return result
}

func (c Check) fine(r Reader, format string, args ...any) Result {
	result := c.result(r)
	result.Current, result.Msg = true, oneLine(fmt.Sprintf(format, args...))
	return result
}

// notAbout is the verdict if the change that was asked about has nothing that the
// reader reads.
func (j judgement) notAbout() Result {
	result := j.fine(j.Reader, "nothing of %s is in the change", j.selection())
	result.NotAbout = true
	return result
}

// lag is what a reader has not seen.
type lag struct {
	changes int       // at least
	what    string    // in words
	since   time.Time // of the oldest of them; zero: of none it is known
	by      string    // the id of the change, if it is known
	unknown bool      // there is one of which it is not known since when
}

// late is the verdict on a reader that has not seen everything. One that is
// asked about a single change is not waited for in silence, nor is one that
// lacks something of unknown age.
func (j judgement) late(l lag) Result {
	result := j.result(j.Reader)
	result.Behind = l.changes
	result.LateFrom = !l.unknown
	when := "it is not known since when"
	if !l.since.IsZero() {
		result.Late = max(0, j.at.Sub(l.since))
		when = fmt.Sprintf("%s late", inWords(result.Late))
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
	case result.Late > result.Warn, !result.LateFrom, len(j.Since) > 0:
		result.Level = Warning
	default:
		when += fmt.Sprintf("; it may be %s", inWords(result.Warn))
	}
	result.Msg = oneLine(l.what + ": " + when)
	return result
}

func inWords(d time.Duration) string {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// known returns when a revision was made, as far as the journal has it, and by
// which change. Of one that has no record of its own it is the time of the next
// that has: it is at least as old as that.
func (s State) known(rev store.Revision) (at time.Time, by string) {
	for _, rec := range s.Journal { // the newest first
		if rec.Revision < rev {
			break
		}
		at, by = rec.Time, ""
		if rec.Revision == rev {
			by = rec.Event.ID
		}
	}
	return at, by
}
