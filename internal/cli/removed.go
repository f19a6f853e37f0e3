package cli

import (
	"context"

	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// removedBy asks the journal who took some objects out of service. A failure is only a
// warning.
func removedBy(ctx context.Context, std term.Streams, a *app.App, objects []object.Object) render.RemovedBy {
	if len(objects) == 0 {
		return nil
	}
	found, err := a.Journal().Takers(ctx, objects, func(o sal.Object) bool { return takesOut(a.Schema, o) })
	if err != nil {
		std.Warn("who took them out may not be known: " + err.Error())
	}
	return found
}

// takesOut reports whether an object served before a change and not after it.
func takesOut(s *schema.Schema, o sal.Object) bool {
	t, err := s.Type(o.Type)
	if err != nil {
		return false
	}
	serves := func(v value.Value) bool {
		return !v.IsAbsent() && safety.Serves(object.Object{Type: t, Fields: object.Order(t, v.Fields())})
	}
	return serves(o.Before) && !serves(o.After)
}
