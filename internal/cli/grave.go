package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/safety"
)

// grave says what a change ends, which no other question has asked about: it
// deletes what serves, or leaves nothing that serves in a pool, where the rules
// only warn, as of a pool of one. A person at a terminal is asked about that, also
// of a single object. Scripts are not, nor is who has overridden the rules.
func (s *session) grave(p change.Proposal) string {
	overridden := s.terms.emergency || s.terms.gone || slices.Contains(s.terms.allow, safety.MinPooled)
	if !s.Interactive() || s.yes || s.oneHost || s.neverAsks || overridden {
		return ""
	}
	var parts []string
	deleted := 0
	for _, c := range p.Plan.Changes {
		if c.After == nil && safety.Serves(*c.Before) {
			deleted++
		}
	}
	if deleted == 1 {
		parts = append(parts, "1 object that serves would be deleted")
	} else if deleted > 1 {
		parts = append(parts, fmt.Sprintf("%d objects that serve would be deleted", deleted))
	}
	for _, c := range p.Verdict.Capacity {
		if c.Mode != safety.None && c.Before > 0 && c.After == 0 && len(parts) < fewLines {
			parts = append(parts, "nothing would serve in "+poolName(c))
		}
	}
	return strings.Join(parts, "; ")
}

// confirmGrave shows the change, says what it ends, and asks whether to go on.
func (s *session) confirmGrave(ctx context.Context, p change.Proposal, why string) error {
	s.preview(ctx, p)
	s.Warn(why)
	return s.goOn(ctx)
}
