package cli

import (
	"context"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/value"
)

// removedBy asks the journal who took some objects out of service. A failure is only a
// warning.
func (s *session) removedBy(ctx context.Context, objects []object.Object) render.RemovedBy {
	if len(objects) == 0 {
		return nil
	}
	found, err := s.Journal().Takers(ctx, objects, s.takesOut)
	if err != nil {
		s.Warn("who took them out may not be known: " + err.Error())
	}
	return found
}

// takesOut reports whether an object served before a change and not after it.
func (s *session) takesOut(o sal.Object) bool {
	t, err := s.Schema.Type(o.Type)
	if err != nil {
		return false
	}
	serves := func(v value.Value) bool {
		return !v.IsAbsent() && safety.Serves(object.Object{Type: t, Fields: object.Order(t, v.Fields())})
	}
	return serves(o.Before) && !serves(o.After)
}
