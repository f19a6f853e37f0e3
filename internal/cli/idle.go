package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/value"
)

// idleRefusal words a refusal of objects that are pooled already and do not serve.
func (s *session) idleRefusal(ctx context.Context, e *change.RefusedError) error {
	msg := fmt.Sprintf("refused by %s, nothing changed", ruleNames(e.Refused))
	if s.terms.dryRun {
		msg = "would be refused by " + ruleNames(e.Refused)
	}
	return &refusalError{msg, strings.Join(s.idleLines(ctx, e.Idle), "\n")}
}

// tellIdle lists objects that were to be pooled, are pooled already, and do not
// serve.
func (s *session) tellIdle(ctx context.Context, idle []safety.Idle) {
	if len(idle) == 0 {
		return
	}
	verb := "do"
	if len(idle) == 1 {
		verb = "does"
	}
	line := fmt.Sprintf("refused by %s: %s %s not serve", safety.PoolNeedsWeight, objects(len(idle)), verb)
	s.Say("%s", line)
	s.SayOnOutput(line)
	s.Detail(s.idleLines(ctx, idle)...)
}

// idleLines says of each object what keeps it from serving, for how long and by
// whom as far as the journal knows, and then which commands help.
func (s *session) idleLines(ctx context.Context, idle []safety.Idle) []string {
	chosen := make([]object.Object, len(idle))
	wide := 0
	for i := range idle {
		chosen[i] = idle[i].Object
		wide = max(wide, len(subject(idle[i].Finding)))
	}
	found, err := s.journal().LastChanges(ctx, chosen, func(o sal.Object) bool {
		before, after := s.weighed(o)
		return before != after
	})
	if err != nil {
		s.Warn("who took their weights may not be known: " + err.Error())
	}
	var lines, ways []string
	told := map[string]bool{}
	for i, o := range chosen {
		line, way := idle[i].Finding.Msg, s.weightLine(o)
		if r, ok := s.tookWeight(found, o); ok {
			line += takenBy(r)
			way = s.undoLine(r)
		}
		if len(lines) < fewLines {
			lines = append(lines, fmt.Sprintf("%-*s    %s", wide, subject(idle[i].Finding), line))
		}
		if !told[way] && len(ways) < fewLines {
			told[way] = true
			ways = append(ways, way)
		}
	}
	if more := len(chosen) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more like these", more))
	}
	return append(lines, ways...)
}

// weighed reports whether an object's weight let it serve before a change, and
// whether it does after it.
func (s *session) weighed(o sal.Object) (before, after bool) {
	t, err := s.schema.Type(o.Type)
	if err != nil {
		return false, false
	}
	weighs := func(v value.Value) bool {
		return !v.IsAbsent() && safety.Weighs(object.Object{Type: t, Fields: object.Order(t, v.Fields())})
	}
	return weighs(o.Before), weighs(o.After)
}

// tookWeight returns the record of the change that took an object's weight, if
// that is the last one that the journal has of its weight: else something else
// did, or it was taken back.
func (s *session) tookWeight(found map[sal.ObjectID]sal.Stored, o object.Object) (sal.Stored, bool) {
	id := sal.ObjectID{Type: o.Type.Name, Path: o.Path()}
	r, ok := found[id]
	took := ok && slices.ContainsFunc(r.Change.Objects, func(changed sal.Object) bool {
		before, after := s.weighed(changed)
		return changed.ID() == id && before && !after
	})
	return r, took
}

// takenBy says when a change was made, by whom, how and why.
func takenBy(r sal.Stored) string {
	text := fmt.Sprintf(", for %s, by %s: %s", age(time.Since(r.Time)), plain(r.User.Name), short(r.Event.Action))
	if why := whyText(r.Record); why != "" {
		text += " - " + why
	}
	return text
}

// undoLine is the command that takes back the change that took a weight. It may
// have been of more objects.
func (s *session) undoLine(r sal.Stored) string {
	return fmt.Sprintf("take that change of %s back:  %s", objects(len(r.Change.Objects)), s.command("undo", runOf(r)))
}

// weightLine is the command that gives an object a weight.
func (s *session) weightLine(o object.Object) string {
	words := []string{"select", selector.One(o.Type.Tags, o.Tags, o.Name), "set/weight=N"}
	if s.objectType != schema.Node {
		words = append(option("--object-type", s.objectType), words...)
	}
	return "give it a weight:  " + s.command(words...)
}
