// Package serve is the long-running service of confctl: the gateway, the metrics
// and the delivery of announcements. Each of them can be switched on separately.
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
	"github.com/conftool/confctl/internal/gateway"
	"github.com/conftool/confctl/internal/mirror"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/store"
)

// Config is the configuration of the service. All fields but Deliver are
// required.
type Config struct {
	Settings   config.Serve // must pass Check
	Store      store.Store
	Objects    string // prefix of the keys of all objects
	Namespace  string // /conftool
	APIVersion string // v1

	// Deliver, if not nil, delivers announcements until the context ends. It
	// reports its own errors.
	Deliver func(context.Context)

	Say   func(format string, args ...any) // writes one line to the service's log
	Warn  func(msg string)
	Debug func(format string, args ...any)
}

// service is a running Config.
type service struct {
	Config
	mirror  *mirror.Mirror
	gateway *gateway.Handler       // nil if it is off
	refused *prometheus.CounterVec // see newRefused
}

// Run serves until the context ends, and then lets current requests finish for up
// to five seconds. It listens on all addresses or on none. Errors caused by
// settings are a *ListenError, a *config.Error or a *yamldoc.Error.
func Run(ctx context.Context, c Config) error {
	v := newService(c)
	listeners, err := v.listen()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if len(listeners) > 0 { // only listeners read the mirror
		group.Go(func() error { return unlessEnded(v.mirror.Run(ctx)) })
		group.Go(func() error { return v.warnMissing(ctx) })
	}
	for _, l := range listeners {
		group.Go(func() error { return v.serve(ctx, l) })
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

// unlessEnded returns nil for the errors with which a part ends normally, and
// other errors unchanged.
func unlessEnded(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// reportStore reports that the store cannot be reached, and why, or, if err is
// nil, that it can be reached again.
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

// warnMissing waits until the store was read and warns of allowed keys that do
// not exist, because they may be misspelt.
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

// newGateway returns the gateway, or an error about the setting that is wrong.
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
