package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/gateway"
	"github.com/conftool/confctl/pkg/mirror"
	"github.com/conftool/confctl/pkg/sal"
)

func newServe(std term.Streams, g *globals) *cobra.Command {
	asked := config.Serve{
		Gateway: config.Gateway{
			Listen: config.Value{Option: "--gateway"}, Cert: config.Value{Option: "--cert"}, Key: config.Value{Option: "--key"},
		},
		Metrics: config.Value{Option: "--metrics"},
	}
	var allow []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the etcd v2 API and metrics, deliver announcements",
		Long: `Run the services that are enabled under "serve" in confctl.yaml, or by an
option, as one long-running process:

  gateway  the read API of etcd v2 (/v2/keys), for MediaWiki, PyBal, confd
  metrics  /metrics for Prometheus, /healthz and /readyz
  deliver  deliver waiting announcements, like log deliver --follow

The gateway answers from an in-memory copy that one watch keeps in sync with
the store. If the store is unreachable, the gateway keeps answering and reports
the age of the data. It listens on this host only, unless an address says
otherwise. SIGTERM ends it after the requests under way.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitInvalid),
		Example: `  confctl serve --gateway 127.0.0.1:4001 --metrics 127.0.0.1:9567
  confctl serve --gateway :4001 --allow-prefix /conftool/v1/mediawiki-config`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := g.noFormat("serve"); err != nil {
				return err
			}
			if cmd.Flags().Changed("allow-prefix") && len(allow) == 0 {
				allow = []string{""} // an empty text is an empty list
			}
			for _, key := range allow {
				asked.Gateway.Allow = append(asked.Gateway.Allow, config.Value{Text: key, Option: "--allow-prefix"})
			}
			g.needs = []string{"serve"}
			return with(std, g, func(s *session) error { return s.runServe(cmd.Context(), asked) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&asked.Gateway.Listen.Text, "gateway", "", "serve the etcd v2 API at `ADDRESS`")
	f.StringVar(&asked.Metrics.Text, "metrics", "", "serve metrics at `ADDRESS`")
	f.BoolVar(&asked.Deliver, "deliver", false, "deliver announcements")
	f.StringVar(&asked.Gateway.Cert.Text, "cert", "", "serve the gateway over TLS with the certificate in `FILE`, which is reloaded when it changes")
	f.StringVar(&asked.Gateway.Key.Text, "key", "", "private key `FILE` of the certificate")
	f.StringSliceVar(&allow, "allow-prefix", nil, "serve only keys at or below `KEY`,...")
	return cmd
}

func (s *session) runServe(ctx context.Context, asked config.Serve) error {
	c := s.settings.Serve.Override(asked)
	if err := c.Check(); err != nil {
		return err
	}
	if c.Deliver && len(s.settings.Sinks) == 0 {
		if c.Gateway.Listen.Text == "" && c.Metrics.Text == "" {
			return noSinks()
		}
		s.Warn("announcements are not delivered: no sink is configured; sinks are listed under sal: in confctl.yaml")
		c.Deliver = false
	}
	collectGarbage(100, 160<<20) // a process that stays has other needs than one that answers and ends
	v := &service{session: s, settings: c, refused: newRefused()}
	v.mirror = mirror.New(mirror.Config{
		Store:    s.store,
		Prefixes: []string{s.catalog.Objects()},
		Report:   v.tellStore,
		Reloaded: func(different int) {
			v.Warn(fmt.Sprintf("the store has forgotten what happened, or was put back to an earlier state: everything was read again, with %s different", text.Count(different, "key")))
		},
	})
	listening, err := v.listen()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if len(listening) > 0 { // nobody else asks what there is
		group.Go(func() error { return ended(v.mirror.Run(ctx)) })
		group.Go(func() error { return v.tellMissing(ctx) })
	}
	for _, l := range listening {
		group.Go(func() error { return v.serve(ctx, l) })
	}
	if c.Deliver {
		group.Go(func() error {
			s.deliver(ctx)
			return nil
		})
	}
	group.Go(func() error { return v.tellSystemd(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		s.Say("ending")
		return nil
	})
	return group.Wait()
}

// deliver delivers announcements until the context ends.
func (s *session) deliver(ctx context.Context) {
	var names []string
	for _, sink := range s.settings.Sinks {
		if _, broken := sink.(sal.Broken); !broken {
			names = append(names, sink.Name())
		}
	}
	s.Say("delivering announcements to %s", strings.Join(names, ", "))
	_, _ = s.sayStranded(ctx) // if the store is away, that is said below
	s.journal().KeepDelivering(ctx, func(err error) { s.Warn("not delivered: " + err.Error()) })
}

// ended takes it for no error that a part has ended with the whole.
func ended(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// service is a running serve.
type service struct {
	*session
	settings config.Serve
	mirror   *mirror.Mirror
	gateway  *gateway.Handler
	refused  *prometheus.CounterVec // connections; see newRefused
}

// tellStore says that the store is away, and why, or with nil that it is back.
func (v *service) tellStore(err error) {
	switch {
	case err == nil:
		v.Say("the store is back")
	case v.settings.Gateway.Listen.Text == "":
		v.Warn(err.Error())
	case v.mirror.View() == nil:
		v.Warn(err.Error() + "; until it is there, every answer is an error (500)")
	default:
		v.Warn(err.Error() + "; answering from memory")
	}
}

// tellMissing says of what is allowed, once all was read, where there is nothing:
// it may be misspelt.
func (v *service) tellMissing(ctx context.Context) error {
	select {
	case <-v.mirror.Loaded():
	case <-ctx.Done():
		return nil
	}
	view := v.mirror.View()
	for _, a := range v.settings.Gateway.Allow {
		key := path.Clean("/" + a.Text)
		found := view.Get(key) != nil
		for range view.Under(key + "/") {
			found = true
			break
		}
		if !found {
			v.Warn(fmt.Sprintf("nothing is at or below %s, which %s allows; is it spelt right?", key, a.Source()))
		}
	}
	return nil
}

// part is what the service listens for.
type part struct {
	name    string
	at      config.Value
	handler http.Handler
	secure  *tls.Config // nil for plain HTTP
	stop    func()      // ends requests that wait; may be nil
}

// listener is a part that listens.
type listener struct {
	part
	net.Listener
}

// listen opens all that is to be listened on, or nothing. It says so only once
// all is well.
func (v *service) listen() (all []listener, err error) {
	parts, err := v.parts()
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		l, err := listenTCP(context.Background(), p.at.Text)
		if err != nil {
			for _, l := range all {
				_ = l.Close() // what is wrong is said already
			}
			return nil, refused(p.name, p.at, err)
		}
		l = newBounded(l, config.MaxConnections, v.settings.ConnectionsPerAddress(), func(limit string) { v.refused.WithLabelValues(p.name, limit).Inc() })
		if p.secure != nil {
			l = tls.NewListener(l, p.secure)
		}
		all = append(all, listener{p, l})
	}
	for _, l := range all {
		v.Say("%s listens on %s", l.name, l.Addr())
	}
	return all, nil
}

// parts are those that listen, with all that they need.
func (v *service) parts() (all []part, err error) {
	if c := v.settings.Gateway; c.Listen.Text != "" {
		if v.gateway, err = v.newGateway(c); err != nil {
			return nil, err
		}
		p := part{name: "gateway", at: c.Listen, handler: v.gateway, stop: v.gateway.Close}
		if c.Cert.Text != "" {
			certificate := &reloaded{cert: c.Cert.Text, key: c.Key.Text, warn: v.Warn}
			if _, err := certificate.get(nil); err != nil {
				return nil, c.Cert.Errorf(certificateHint(err), "%v", err)
			}
			p.secure = &tls.Config{
				MinVersion: tls.VersionTLS12, GetCertificate: certificate.get, NextProtos: []string{"http/1.1", "http/1.0"},
			}
		}
		all = append(all, p)
	}
	if at := v.settings.Metrics; at.Text != "" {
		all = append(all, part{name: "metrics", at: at, handler: v.monitoring()})
	}
	return all, nil
}

// newGateway makes the gateway, or says which of its settings is wrong.
func (v *service) newGateway(c config.Gateway) (*gateway.Handler, error) {
	gc := gateway.Config{
		Mirror:     v.mirror,
		Namespace:  v.session.settings.Namespace,
		APIVersion: v.session.settings.APIVersion,
	}
	for _, a := range c.Allow {
		gc.Allow = append(gc.Allow, a.Text)
		if _, err := gateway.New(gc); err != nil {
			return nil, a.Errorf("", "%v", err)
		}
	}
	return gateway.New(gc)
}

// grace is how long requests under way may take once the service is to end.
const grace = 5 * time.Second

// serve answers on a listener until the context ends, and then ends what is under
// way.
func (v *service) serve(ctx context.Context, l listener) error {
	fresh := &unused{conns: make(map[net.Conn]struct{})}
	server := newServer(l.handler)
	server.ConnState = fresh.watch
	server.ErrorLog = log.New(&serverLog{warn: v.Warn, debugf: v.debugf}, "", 0)
	server.RegisterOnShutdown(fresh.close)
	if l.stop != nil {
		server.RegisterOnShutdown(l.stop)
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		stopped <- server.Shutdown(last)
	}()
	if err := server.Serve(l.Listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-stopped; err != nil {
		return server.Close() // whoever is still there has had its time
	}
	return nil
}

// newServer returns a server with bounds on what one client can take. It speaks
// HTTP/1 only: no known reader needs HTTP/2, which lets a client do far more.
func newServer(handler http.Handler) *http.Server {
	server := &http.Server{
		Handler:           lighten(handler),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         &http.Protocols{},
	}
	server.Protocols.SetHTTP1(true)
	return server
}

func (v *service) debugf(format string, args ...any) {
	if v.debug {
		v.Say(format, args...)
	}
}

// startTime is how long who starts the service is left waiting for the store. After
// that it is as ready as it can be.
const startTime = 5 * time.Second

// tellSystemd says when the service is ready, that it lives, and when it ends,
// where systemd wants to know.
func (v *service) tellSystemd(ctx context.Context) error {
	select {
	case <-v.loaded():
	case <-time.After(startTime):
	case <-ctx.Done():
	}
	v.notify(daemon.SdNotifyReady)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		v.Warn("the watchdog of systemd: " + err.Error())
	}
	var alive <-chan time.Time
	if every > 0 {
		ticker := time.NewTicker(every / 2)
		defer ticker.Stop()
		alive = ticker.C
	}
	for {
		select {
		case <-alive:
			if !v.stuck() {
				v.notify(daemon.SdNotifyWatchdog)
			}
		case <-ctx.Done():
			v.notify(daemon.SdNotifyStopping)
			return nil
		}
	}
}

// loaded is closed when there is something to answer with, if anybody asks.
func (v *service) loaded() <-chan struct{} {
	if v.settings.Gateway.Listen.Text == "" && v.settings.Metrics.Text == "" {
		none := make(chan struct{})
		close(none)
		return none
	}
	return v.mirror.Loaded()
}

// stuck reports whether the store has been silent for long, and nobody has noticed.
func (v *service) stuck() bool {
	age, ever := v.mirror.Age()
	return ever && age > 3*lively && v.mirror.Status().Err == nil
}

func (v *service) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		v.Warn("telling systemd " + strings.ToLower(state) + ": " + err.Error())
	}
}
