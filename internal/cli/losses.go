package cli

import (
	"context"
	"slices"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/safety"
)

// losses says what a change takes out of service for which rules only warn, such as the
// only host of a pool; empty if nobody is to be asked about that. A person at a terminal
// is asked, also about a single object. Scripts are not, nor are those who override the
// rules.
func (s *session) losses(p change.Proposal) string {
	overridden := s.terms.emergency || s.terms.gone || slices.Contains(s.terms.allow, safety.MinPooled)
	if !s.Interactive() || s.yes || s.oneHost || s.neverAsks || overridden {
		return ""
	}
	return render.Losses(p)
}

// confirmLosses shows the change and its losses, and asks whether to continue.
func (s *session) confirmLosses(ctx context.Context, p change.Proposal, losses string) error {
	s.preview(ctx, p)
	s.Warn(losses)
	return s.confirmContinue(ctx)
}
