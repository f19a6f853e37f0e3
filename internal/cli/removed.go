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

// removedBy searches the journal for the changes that took objects out of service. It
// only warns if the search fails.
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

// takesOut reports whether an object served before a change and does not after it.
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
