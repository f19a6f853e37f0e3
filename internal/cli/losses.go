package cli

import (
	"context"
	"slices"

	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/safety"
)

// losses returns a description of what a change takes out of service where rules only
// warn, such as the only host of a pool. It returns an empty string if no confirmation is
// needed. An operator at a terminal must confirm losses, even of a single object, unless an
// option answers the question or overrides the rules. Scripts are not asked.
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
