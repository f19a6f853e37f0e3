// Package serve is the long-running service of confctl: the gateway, metrics, and
// the delivery of announcements, as far as each is switched on.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/gateway"
	"github.com/conftool/confctl/pkg/mirror"
	"github.com/conftool/confctl/pkg/store"
)

// Config says what to serve. All fields but Deliver are needed.
type Config struct {
	Settings   config.Serve // that pass Check
	Store      store.Store
	Objects    string // the prefix of the keys of all objects
	Namespace  string // /conftool
	APIVersion string // v1

	// Deliver, if set, delivers announcements until the context ends. It handles its
	// errors itself.
	Deliver func(context.Context)

	Say   func(format string, args ...any) // one line of the service's log
	Warn  func(msg string)
	Debug func(format string, args ...any)
}

// service is a running Config.
type service struct {
	Config
	mirror  *mirror.Mirror
	gateway *gateway.Handler       // nil if it is off
	refused *prometheus.CounterVec // connections; see newRefused
}

// Run serves until the context ends, and then lets requests under way finish for a
// few seconds. It listens on all addresses or on none. Errors that the settings cause
// are a *ListenError, a *config.Error or a *yamldoc.Error.
func Run(ctx context.Context, c Config) error {
	v := newService(c)
	listeners, err := v.listen()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if len(listeners) > 0 { // nothing else reads the mirror
		group.Go(func() error { return unlessEnded(v.mirror.Run(ctx)) })
		group.Go(func() error { return v.warnMissing(ctx) })
	}
	for _, l := range listeners {
		group.Go(func() error { return v.answer(ctx, l) })
	}
	if c.Deliver != nil {
		group.Go(func() error {
			c.Deliver(ctx)
			return nil
		})
	}
	group.Go(func() error { return v.notifySystemd(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		v.Say("ending")
		return nil
	})
	return group.Wait()
}

func newService(c Config) *service {
	v := &service{Config: c, refused: newRefused()}
	v.mirror = mirror.New(mirror.Config{
		Store:    c.Store,
		Prefixes: []string{c.Objects},
		Report:   v.reportStore,
		Reloaded: func(different int) {
			v.Warn(fmt.Sprintf("the store no longer has the changes since the last read, or was put back to an earlier state: all keys were read again, with %s different", text.Count(different, "key")))
		},
	})
	return v
}

// unlessEnded returns the error of a part, unless it is that the service ends.
func unlessEnded(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// reportStore says that the store cannot be reached, and why, or with nil that it can
// again.
func (v *service) reportStore(err error) {
	switch {
	case err == nil:
		v.Say("the store is back")
	case v.Settings.Gateway.Listen.Text == "":
		v.Warn(err.Error())
	case v.mirror.View() == nil:
		v.Warn(err.Error() + "; until it is there, every answer is an error (500)")
	default:
		v.Warn(err.Error() + "; answering from memory")
	}
}

// warnMissing warns, once the store was read, of allowed keys that do not exist: they
// may be misspelt.
func (v *service) warnMissing(ctx context.Context) error {
	select {
	case <-v.mirror.Loaded():
	case <-ctx.Done():
		return nil
	}
	view := v.mirror.View()
	for _, a := range v.Settings.Gateway.Allow {
		key := path.Clean("/" + a.Text)
		if view.Get(key) == nil && !hasAny(view, key+"/") {
			v.Warn(fmt.Sprintf("nothing is at or below %s, which %s allows; is it spelt right?", key, a.Source()))
		}
	}
	return nil
}

func hasAny(view *mirror.View, prefix string) bool {
	for range view.Under(prefix) {
		return true
	}
	return false
}

// newGateway makes the gateway, or returns which of its settings is wrong.
func (v *service) newGateway() (*gateway.Handler, error) {
	c := gateway.Config{Mirror: v.mirror, Namespace: v.Namespace, APIVersion: v.APIVersion}
	for _, a := range v.Settings.Gateway.Allow {
		c.Allow = append(c.Allow, a.Text)
		if _, err := gateway.New(c); err != nil {
			return nil, a.Errorf("", "%v", err)
		}
	}
	return gateway.New(c)
}
