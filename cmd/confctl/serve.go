package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/conftool/confctl/pkg/gateway"
	"github.com/conftool/confctl/pkg/mirror"
)

func newServe(std streams, g *globals) *cobra.Command {
	var asked serveSettings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the old etcd v2 API to readers, metrics, and deliver announcements",
		Long: `Serve, as one long-running process, the parts that are switched on in confctl.yaml
under serve, or by an option:

  gateway  the read API of etcd v2, for what reads /v2/keys: MediaWiki, PyBal, confd
  metrics  /metrics for Prometheus, /healthz and /readyz
  deliver  send announcements that others left behind, as log deliver --follow does

The gateway answers from memory, which one watch keeps alike with the store: also
while the store is away, and then it says how old the answer is. It listens on this
host alone, unless an address says more. SIGTERM ends it in good order.`,
		Annotations: exitCodes(exitDone, exitFailed, exitUsage, exitInvalid),
		Example: `  confctl serve --gateway 127.0.0.1:4001 --metrics 127.0.0.1:9567
  confctl serve --gateway :4001 --cert gw.pem --key gw.key --allow-prefix /conftool/v1/mediawiki-config`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := g.noFormat("serve"); err != nil {
				return err
			}
			return with(std, g, func(s *session) error { return s.runServe(cmd.Context(), asked) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&asked.gateway.listen, "gateway", "", "serve the etcd v2 API at `ADDRESS`")
	f.StringVar(&asked.metrics, "metrics", "", "serve metrics at `ADDRESS`")
	f.BoolVar(&asked.deliver, "deliver", false, "deliver announcements")
	f.StringVar(&asked.gateway.cert, "cert", "", "certificate `FILE` of the gateway, which then speaks TLS; read again when it changes")
	f.StringVar(&asked.gateway.key, "key", "", "`FILE` with the key of the certificate")
	f.StringSliceVar(&asked.gateway.allow, "allow-prefix", nil, "serve only what is at or below `KEY`,...")
	return cmd
}

func (s *session) runServe(ctx context.Context, asked serveSettings) error {
	c := s.settings.serve.or(asked)
	if err := c.check(); err != nil {
		return err
	}
	// A process that stays has other needs than one that answers and ends.
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(80 << 20)
	m := mirror.New(mirror.Config{
		Store:    s.store,
		Prefixes: []string{s.catalog.Objects()},
		Report:   s.tellStore,
	})
	v := &service{session: s, settings: c, mirror: m}
	listening, err := v.listen()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ended(m.Run(ctx)) })
	for _, l := range listening {
		group.Go(func() error { return v.serve(ctx, l) })
	}
	if c.deliver {
		group.Go(func() error {
			s.journal().KeepDelivering(ctx, func(err error) { s.warn(err.Error()) })
			return nil
		})
	}
	group.Go(func() error { return v.tellSystemd(ctx) })
	return group.Wait()
}

// tellStore says that the store is away, and why, or with nil that it is back.
func (s *session) tellStore(err error) {
	if err == nil {
		s.say("the store is back")
		return
	}
	s.warn(err.Error() + "; answering from memory")
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
	settings serveSettings
	mirror   *mirror.Mirror
	gateway  *gateway.Handler
}

// listener is where one part of the service listens, and what it answers with.
type listener struct {
	net.Listener
	handler http.Handler
	stop    func() // ends requests that wait; may be nil
}

// listen opens all that is to be listened on, or nothing.
func (v *service) listen() (all []listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range all {
				_ = l.Close() // what is wrong is said already
			}
		}
	}()
	if at := v.settings.gateway.listen; at != "" {
		v.gateway, err = gateway.New(gateway.Config{
			Mirror:     v.mirror,
			Namespace:  v.session.settings.namespace,
			APIVersion: v.session.settings.apiVersion,
			Allow:      v.settings.gateway.allow,
		})
		if err != nil {
			return all, &usageError{err.Error(), ""}
		}
		l, err := v.open("gateway", at)
		if err != nil {
			return all, err
		}
		all = append(all, listener{l, v.gateway, v.gateway.Close})
		if v.settings.gateway.cert != "" {
			certificate := &reloaded{cert: v.settings.gateway.cert, key: v.settings.gateway.key, warn: v.warn}
			if _, err := certificate.get(nil); err != nil {
				return all, &usageError{err.Error(), ""}
			}
			all[len(all)-1].Listener = tls.NewListener(l, &tls.Config{
				MinVersion: tls.VersionTLS12, GetCertificate: certificate.get, NextProtos: []string{"h2", "http/1.1", "http/1.0"},
			})
		}
	}
	if at := v.settings.metrics; at != "" {
		l, err := v.open("metrics", at)
		if err != nil {
			return all, err
		}
		all = append(all, listener{l, v.monitoring(), nil})
	}
	return all, nil
}

// mostConnections is how many a part has at once.
const mostConnections = 4096

func (v *service) open(part, at string) (net.Listener, error) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, &usageError{fmt.Sprintf("%s cannot listen on %s: %v", part, at, err), "an address is like 127.0.0.1:4001, and nobody else may have it"}
	}
	v.say("%s listens on %s", part, l.Addr())
	return &bounded{Listener: l, most: mostConnections}, nil
}

// grace is how long requests under way may take once the service is to end.
const grace = 5 * time.Second

// serve answers on a listener until the context ends, and then ends what is under
// way.
func (v *service) serve(ctx context.Context, l listener) error {
	server := &http.Server{
		Handler:           l.handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          nil,
		Protocols:         &http.Protocols{},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.ErrorLog = quiet(v.debugf)
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
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-stopped; err != nil {
		return server.Close() // whoever is still there has had its time
	}
	return nil
}

func (v *service) debugf(format string, args ...any) {
	if v.debug {
		v.say(format, args...)
	}
}

// tellSystemd says when the service is ready, that it lives, and when it ends,
// where systemd wants to know.
func (v *service) tellSystemd(ctx context.Context) error {
	v.notify(daemon.SdNotifyReady)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		v.warn("the watchdog of systemd: " + err.Error())
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
			v.notify(daemon.SdNotifyWatchdog)
		case <-ctx.Done():
			v.notify(daemon.SdNotifyStopping)
			return nil
		}
	}
}

func (v *service) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		v.warn("telling systemd " + strings.ToLower(state) + ": " + err.Error())
	}
}
