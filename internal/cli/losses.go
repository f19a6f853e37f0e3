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
func (c *changer) losses(p change.Proposal) string {
	overridden := c.opts.terms.Emergency || c.opts.terms.Gone || slices.Contains(c.opts.terms.Allow, safety.MinPooled)
	if !c.Interactive() || c.opts.yes || c.opts.oneHost || c.neverAsks || overridden {
		return ""
	}
	return render.Losses(p)
}

// confirmLosses shows the change and its losses, and asks whether to continue.
func (c *changer) confirmLosses(ctx context.Context, p change.Proposal, losses string) error {
	c.display.preview(ctx, p)
	c.Warn(losses)
	return c.ask.confirmContinue(ctx)
}
