package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

// RemovedBy maps objects to the records that took them out of service, as far as
// the journal has them.
type RemovedBy map[sal.ObjectID]sal.Stored

// list describes objects that are out: state, age of the change, user and reason.
func (by RemovedBy) list(out []object.Object, maxNames int, now time.Time) string {
	var parts []string
	for _, o := range out[:min(len(out), maxNames)] {
		parts = append(parts, by.describe(o, now))
	}
	if n := len(out) - maxNames; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, ", ")
}

func (by RemovedBy) describe(o object.Object, now time.Time) string {
	host, _, _ := strings.Cut(o.Name, ".")
	parts := []string{host, outState(o)}
	if r, ok := by[ObjectID(o)]; ok {
		parts = append(parts, Age(now.Sub(r.Time)), r.User.Name)
		if why := Task(r.Record); why != "" {
			parts = append(parts, why)
		}
	}
	return Plain(strings.Join(parts, " "))
}

// document returns an object that is out as a value, with the change that took it
// out if it is known.
func (by RemovedBy) document(o object.Object) value.Value {
	fields := []value.Field{textField("name", o.Name), textField("tags", o.TagText()), textField("state", outState(o))}
	if r, ok := by[ObjectID(o)]; ok {
		fields = append(fields, textField("since", r.Time.UTC().Format(time.RFC3339)), textField("user", r.User.Name), textField("host", r.Host.Name),
			textField("change", r.Change.Run), textField("reason", r.Event.Reason), textField("task", r.Change.Task))
	}
	return value.OfMap(fields...)
}

func textField(name, s string) value.Field {
	return value.Field{Name: name, Value: value.OfString(s)}
}

func numberField(name string, n int) value.Field {
	return value.Field{Name: name, Value: value.OfInt(int64(n))}
}

// textList returns a list of texts as a value.
func textList(all []string) value.Value {
	values := make([]value.Value, len(all))
	for i, s := range all {
		values[i] = value.OfString(s)
	}
	return value.OfList(values...)
}

// outState returns why an object does not serve: the value of pooled, "weight 0"
// or "unreadable".
func outState(o object.Object) string {
	if o.Malformed != nil {
		return "unreadable"
	}
	if object.IsPooled(o.Fields) {
		return "weight 0"
	}
	pooled := o.Get("pooled")
	if state, isText := pooled.Str(); isText {
		return state
	}
	return pooled.Text()
}

// Why returns the reason of a change and its task.
func Why(r sal.Record) string {
	switch {
	case r.Change.Task == "":
		return Short(r.Event.Reason)
	case r.Event.Reason == "":
		return Short(r.Change.Task)
	}
	return fmt.Sprintf("%s (%s)", Short(r.Event.Reason), Short(r.Change.Task))
}

// Task returns the task of a change or, if it has none, the beginning of its
// reason.
func Task(r sal.Record) string {
	if r.Change.Task != "" {
		return r.Change.Task
	}
	const maxReason = 41
	return text.Cut(r.Event.Reason, maxReason)
}
