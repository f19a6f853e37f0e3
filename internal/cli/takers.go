package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

// takers knows which change took an object out, as far as the journal goes
// back.
type takers map[sal.ObjectID]sal.Stored

// takers asks the journal who took some objects out. Not to know that is no
// reason not to go on.
func (s *session) takers(ctx context.Context, objects []object.Object) takers {
	if len(objects) == 0 {
		return nil
	}
	found, err := s.journal().Takers(ctx, objects, s.takesOut)
	if err != nil {
		s.Warn("who took them out may not be known: " + err.Error())
	}
	return found
}

// takesOut reports whether an object served before a change and not after it.
func (s *session) takesOut(o sal.Object) bool {
	t, err := s.schema.Type(o.Type)
	if err != nil {
		return false
	}
	serves := func(v value.Value) bool {
		return !v.IsAbsent() && safety.Serves(object.Object{Type: t, Fields: object.Order(t, v.Fields())})
	}
	return serves(o.Before) && !serves(o.After)
}

// of returns the change that took an object out.
func (t takers) of(o object.Object) (sal.Stored, bool) {
	r, ok := t[sal.ObjectID{Type: o.Type.Name, Path: o.Path()}]
	return r, ok
}

// list names objects that are out: how, since when, by whom and why.
func (t takers) list(out []object.Object, most int) string {
	var parts []string
	for i, o := range out {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(out)-most))
			break
		}
		parts = append(parts, t.describe(o))
	}
	return strings.Join(parts, ", ")
}

func (t takers) describe(o object.Object) string {
	host, _, _ := strings.Cut(o.Name, ".")
	words := []string{host, outState(o)}
	if r, ok := t.of(o); ok {
		words = append(words, age(time.Since(r.Time)), r.User.Name)
		if why := why(r.Record); why != "" {
			words = append(words, why)
		}
	}
	return plain(strings.Join(words, " "))
}

// outState is why an object does not serve, in a word or two.
func outState(o object.Object) string {
	if o.Malformed != nil {
		return "unreadable"
	}
	if object.IsPooled(o.Fields) {
		return "weight 0"
	}
	pooled := o.Get("pooled")
	if word, isText := pooled.Str(); isText {
		return word
	}
	return pooled.Text()
}

// whyText is the reason of a change and its task.
func whyText(r sal.Record) string {
	switch {
	case r.Change.Task == "":
		return short(r.Event.Reason)
	case r.Event.Reason == "":
		return short(r.Change.Task)
	}
	return fmt.Sprintf("%s (%s)", short(r.Event.Reason), short(r.Change.Task))
}

// why is the task of a change, or else its reason, in a few words.
func why(r sal.Record) string {
	if r.Change.Task != "" {
		return r.Change.Task
	}
	const most = 41
	return text.Cut(r.Event.Reason, most)
}
