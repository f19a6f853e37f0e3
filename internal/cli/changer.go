package cli

import (
	"github.com/conftool/confctl/internal/app"
	"github.com/conftool/confctl/internal/term"
)

// A changer makes changes for an operator: it asks, applies and reports the outcome.
// Every command that changes objects has one.
type changer struct {
	term.Streams
	*app.App
	opts      *globals
	ask       confirmer
	display   *display
	hints     *hints
	neverAsks bool // never confirm losses; see losses
}

func newChanger(std term.Streams, g *globals, a *app.App) *changer {
	h := &hints{globals: g}
	return &changer{
		Streams: std,
		App:     a,
		opts:    g,
		ask:     confirmer{Streams: std, yes: g.yes, oneHost: g.oneHost},
		display: &display{Streams: std, App: a, opts: g, hints: h},
		hints:   h,
	}
}
